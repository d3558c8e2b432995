"""The diffusion example: real images are read, training gets somewhere, and an image of each class is drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from examples.diffusion import main, write_image
from examples.images import fashion

pytestmark = [pytest.mark.torch, pytest.mark.slow]


def test_the_images_are_whole() -> None:
    images, labels = fashion("test")
    assert images.shape == (10_000, 1, 28, 28)
    assert labels.bincount().tolist() == [1000] * 10
    assert (images.min(), images.max()) == (-1, 1)


def test_an_image_of_each_class_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "samples.pgm"
    main(["--width", "48", "--depth", "1", "--steps", "60", "--batch", "32", "--out", str(file)])
    losses = [float(line.split()[-1]) for line in capsys.readouterr().out.splitlines() if line.startswith("step")]
    assert losses[-1] < 0.8 * losses[0] < 2
    header, _, greys = file.read_bytes().partition(b" 255\n")
    assert header == b"P5 280 28"
    assert len(set(greys)) > 100


def test_images_are_written_side_by_side(tmp_path: Path) -> None:
    write_image(torch.tensor([[[[-1.0, 1.0]]], [[[0.0, 3.0]]]]), tmp_path / "two.pgm")
    assert (tmp_path / "two.pgm").read_bytes() == b"P5 4 1 255\n" + bytes([0, 255, 128, 255])
