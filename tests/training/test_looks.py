"""Where words look: the logits beside the loss are those of the model's own attention."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")

BEFORE, IMAGE = 4, 64


def _inputs(tokens: int, places: list[int]):  # type: ignore[no-untyped-def]
    """Two rows of one segment each, which sees the image and itself."""
    family = torch.ones(2, 3, 3, dtype=torch.bool)
    return (
        torch.randint(0, 700, (2, tokens)),
        torch.arange(tokens).expand(2, -1) + BEFORE + IMAGE,
        torch.full((2, tokens), 2),
        family,
        torch.tensor(places),
    )


def test_the_looks_are_what_the_first_head_attends_to(monkeypatch: pytest.MonkeyPatch) -> None:
    from imagejudge.builtin.training.network import model as module
    from imagejudge.builtin.training.shape import Shape

    torch.manual_seed(3)
    shape = Shape(widths=(16, 32), blocks=(1, 1), vocab=700, width=48, layers=4, heads=2, hidden=64)
    model = module.LanguageModel(shape)
    weights = []

    def attend(q, k, v, attn_mask):  # type: ignore[no-untyped-def]
        scores = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(~attn_mask, -torch.inf).softmax(-1)
        weights.append(scores)
        return scores @ v

    monkeypatch.setattr(module.F, "scaled_dot_product_attention", attend)
    places = [IMAGE + 2, (IMAGE + 6) + IMAGE + 5]
    with torch.no_grad():
        hidden, looks, looked = model(torch.randn(2, IMAGE, 32), *_inputs(6, places))
    assert hidden.shape == (2, IMAGE + 6, 48)
    assert looks.shape == (2, 2, IMAGE)
    assert looked.shape == (2, 48)
    for layer, logits in zip((1, 2), looks, strict=True):
        for number, place in enumerate(places):
            row, column = divmod(place, IMAGE + 6)
            attended = weights[layer][row, 0, column, :IMAGE]
            assert np.allclose(logits[number].softmax(-1), attended / attended.sum(), atol=1e-5)


def test_a_loss_of_looks_is_nothing_where_they_are_as_they_should_be() -> None:
    from imagejudge.builtin.training.language.rows import Goal, Look, Row, collate
    from imagejudge.builtin.training.network.language_stage import looking_loss

    cells = np.zeros(IMAGE, np.float32)
    cells[[3, 4]] = 0.5
    row = Row(8)
    row.add(-1, (1, 2, 3))
    row.goals.append(Goal(2, -1, 1.0, 1.0, "visible"))
    row.looks.append(Look(1, cells, np.array([0, 0, 1, 0.5], np.float32)))
    batch = collate([row])
    assert batch.look_place.tolist() == [IMAGE + 1]
    right = torch.full((2, 1, IMAGE), -50.0)
    right[..., [3, 4]] = 0.0
    assert looking_loss(right, batch).item() == pytest.approx(0, abs=1e-5)
    assert looking_loss(torch.zeros(2, 1, IMAGE), batch).item() == pytest.approx(np.log(IMAGE / 2), abs=1e-5)
    assert looking_loss(torch.zeros(2, 0, IMAGE), collate([Row(8)])).item() == 0


def test_a_loss_of_places_adds_up_the_distances_of_the_edges() -> None:
    from imagejudge.builtin.training.language.rows import Look, Row, collate
    from imagejudge.builtin.training.network.joint_stage import Joint
    from imagejudge.builtin.training.shape import Shape

    joint = Joint(Shape(widths=(16, 32), blocks=(1, 1), vocab=700, width=48, layers=4, heads=2, hidden=64))
    row = Row(8)
    row.add(-1, (1, 2, 3))
    row.looks.append(Look(1, np.full(IMAGE, 1 / IMAGE, np.float32), np.array([0.1, 0.2, 0.6, 0.9], np.float32)))
    row.looks.append(Look(2, np.full(IMAGE, 1 / IMAGE, np.float32), np.array([0.5, 0.5, 0.5, 0.5], np.float32)))
    head = joint.place[1]
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.tensor([0.1, 0.2, 0.6, 0.9]))
    distance = (0.4 + 0.3 + 0.1 + 0.4) / 2  # only the second is not where it is told
    assert joint.placing_loss(torch.randn(2, 48), collate([row])).item() == pytest.approx(distance, abs=1e-5)
    assert joint.placing_loss(torch.randn(0, 48), collate([Row(8)])).item() == 0
