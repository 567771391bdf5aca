#!/usr/bin/env bash
# What the action does once imagejudge is on the PATH: annotations, a file of verdicts, SARIF and a summary. Leaves with
# the exit code of the scan.
set -uo pipefail

# Words as in a shell, quotes included, but nothing in them is carried out or filled in.
words=$(xargs --no-run-if-empty printf '%s\n' <<< "$ARGS") || exit 2
mapfile -t args < <(grep . <<< "$words")
mapfile -t paths < <(grep '[^[:space:]]' <<< "$SRC")
verdicts=$RUNNER_TEMP/verdicts.jsonl
sarif=$RUNNER_TEMP/imagejudge.sarif
rm -f "$verdicts" "$sarif"

imagejudge scan "${args[@]}" --format github --output "$verdicts" -- "${paths[@]}"
code=$?
if [ -f "$verdicts" ]; then
  imagejudge show "$verdicts" --format sarif --output "$sarif" --overwrite || exit 2
  { echo "verdicts=$verdicts"; echo "sarif=$sarif"; } >> "$GITHUB_OUTPUT"
  if [ "$SUMMARY" = true ]; then
    {
      echo "### imagejudge"
      echo
      echo '~~~~~~~~~~text'
      imagejudge show "$verdicts" --only unsafe,unsure,error --format text 2>&1 | head -n 200
      echo '~~~~~~~~~~'
    } >> "$GITHUB_STEP_SUMMARY"
  fi
fi
exit "$code"
