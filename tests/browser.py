"""A real Chromium, where one is installed: it opens a page as a person would, and is told which keys are pressed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(
    PROGRAM is None or DRIVER is None, reason="chromium and chromedriver are not installed"
)


class Tab:
    """One page in a browser of its own."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def save_in(self, folder: Path) -> None:
        """Where downloads go from now on."""
        how = {"behavior": "allow", "downloadPath": str(folder)}
        self.driver.execute_cdp_cmd("Browser.setDownloadBehavior", how)

    def open(self, address: str) -> Tab:
        self.driver.get_log("browser")  # what it holds is about the page before
        self.driver.get(address)
        return self

    def run(self, script: str, *arguments: object) -> Any:
        """What a script that ends in an expression gives."""
        return self.driver.execute_script(f"return ({script})", *arguments)

    def press(self, *keys: str) -> None:
        """Each key, wherever the focus is."""
        from selenium.webdriver import ActionChains

        actions = ActionChains(self.driver)
        for key in keys:
            actions.send_keys(key)
        actions.perform()

    def texts(self, selector: str) -> list[str]:
        """What stands in the elements."""
        script = "[...document.querySelectorAll(arguments[0])].map((one) => one.textContent)"
        found: list[str] = self.run(script, selector)
        return found

    def click(self, selector: str) -> None:
        self.driver.find_element("css selector", selector).click()

    def wait(self, condition: str) -> None:
        """Until an expression holds; fails after five seconds."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, 5, poll_frequency=0.02).until(lambda _: self.run(condition), condition)

    def complaints(self) -> list[str]:
        """What the browser wrote into its console: errors, and what the policy forbade."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@contextmanager
def tab(*, width: int = 1280, height: int = 900, dark: bool = False) -> Iterator[Tab]:
    """Needs `needs_chromium`."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = PROGRAM or ""
    # Without a sandbox of its own, since tests may run as root; no page is opened but ours.
    for switch in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(switch)
    options.add_argument(f"--window-size={width},{height}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        if dark:
            scheme = [{"name": "prefers-color-scheme", "value": "dark"}]
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        yield Tab(driver)
    finally:
        driver.quit()


def lines(file: Path) -> list[dict[str, Any]]:
    """The JSON objects in a file."""
    return [json.loads(line) for line in file.read_bytes().splitlines()]
