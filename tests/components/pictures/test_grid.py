"""The grid, pixel by pixel."""

import io

import numpy as np
import pytest
from PIL import Image

from components.pictures.grid import Line, Tile, draw_grid, smaller

PANEL = (0xEE, 0xF0, 0xF3)
GAP, LINE = 12, 18
EVIL = ("<b>&amp;</b>", "a\x00b\x1b[31m\n", "x\udcff", "七 日本", "\u202egnp", "🌹", "", "é" * 500)


def tile(width, height, colour=(200, 30, 60), *lines):
    pixels = np.full((height, width, 3), colour, np.uint8)
    return Tile(pixels, tuple(Line(text) for text in lines or ("rose",)))


def opened(png):
    image = Image.open(io.BytesIO(png))
    assert (image.format, image.mode) == ("PNG", "RGB")
    return np.asarray(image)


def cell(page, row, column, side, lines=1):
    top, left = GAP + row * (side + GAP + lines * LINE), GAP + column * (side + GAP)
    return page[top : top + side, left : left + side]


def ink(page, row, column, side, lines=1):
    """Pixels below an image that are not the paper's."""
    top, left = GAP + row * (side + GAP + lines * LINE) + side, GAP + column * (side + GAP)
    below = page[top : top + lines * LINE, left : left + side]
    return np.any(below != 255, axis=-1)


@pytest.mark.parametrize(
    ("count", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (3, 3, 1), (4, 3, 2), (9, 3, 3)]
)
def test_there_are_as_many_cells_as_tiles(count, columns, rows):
    page = opened(draw_grid([tile(8, 8)] * count, 3, 40))
    assert page.shape == (GAP + rows * (40 + GAP + LINE), GAP + columns * (40 + GAP), 3)
    red = np.all(page == (200, 30, 60), axis=-1).sum()
    assert red == count * 1600


def test_tiny_images_are_enlarged_by_a_whole_factor_and_stay_sharp():
    pixels = np.random.default_rng(0).integers(0, 255, (8, 6, 3)).astype(np.uint8)
    page = opened(draw_grid([Tile(pixels, ())], 3, 100))
    shown = cell(page, 0, 0, 100, 0)
    # 12 times; what is left over is around it.
    expected = np.kron(pixels, np.ones((12, 12, 1), np.uint8))
    np.testing.assert_array_equal(shown[2:98, 14:86], expected)
    np.testing.assert_array_equal(shown[:2], np.broadcast_to(PANEL, (2, 100, 3)))


@pytest.mark.parametrize("size", [(1000, 500), (500, 1000), (4000, 3), (101, 101)])
def test_large_images_are_shrunk_whole(size):
    shown = cell(opened(draw_grid([tile(*size)], 3, 100)), 0, 0, 100)
    red = np.argwhere(np.all(shown == (200, 30, 60), axis=-1))
    height, width = np.ptp(red, axis=0) + 1
    assert max(width, height) == 100
    assert width / height == pytest.approx(size[0] / size[1], rel=0.03) or min(width, height) == 1


def test_every_line_is_written_under_its_image_and_nowhere_else():
    tiles = [tile(8, 8, (200, 30, 60), "rose", "8 px"), tile(8, 8, (200, 30, 60), "tulip")]
    page = opened(draw_grid(tiles, 3, 120))
    first, second = (ink(page, 0, column, 120, 2) for column in (0, 1))
    assert first[:LINE].any()
    assert first[LINE:].any()
    assert second[:LINE].any()
    assert not second[LINE:].any()


def test_a_long_name_is_cut_off_and_its_share_is_not():
    plain = Tile(np.zeros((8, 8, 3), np.uint8), (Line("", "87 %"),))
    long = Tile(np.zeros((8, 8, 3), np.uint8), (Line("a very long name" * 20, "87 %"),))
    page = opened(draw_grid([long, plain], 2, 120))
    with_name, alone = ink(page, 0, 0, 120), ink(page, 0, 1, 120)
    assert with_name[:, :70].any()
    assert not alone[:, :70].any()
    np.testing.assert_array_equal(with_name[:, 80:], alone[:, 80:])
    # Neither beside its image.
    assert np.all(page[:, 120 + GAP : 120 + 2 * GAP] == 255)


@pytest.mark.parametrize("name", EVIL)
def test_any_name_is_drawn_as_text_and_none_spoils_the_others(name):
    page = opened(draw_grid([tile(8, 8, (200, 30, 60), name), tile(8, 8)], 2, 120))
    alone = opened(draw_grid([tile(8, 8), tile(8, 8)], 2, 120))
    assert ink(page, 0, 0, 120).any() == bool(name)
    np.testing.assert_array_equal(ink(page, 0, 1, 120), ink(alone, 0, 1, 120))


@pytest.mark.parametrize("name", ["Größe", "Ελλάδα", "Привет"])
def test_letters_beyond_ascii_are_letters(name):
    """What a font lacks it draws as one and the same box."""

    def drawn(text):
        return ink(opened(draw_grid([tile(8, 8, (200, 30, 60), text)], 1, 120)), 0, 0, 120)

    assert len({drawn(letter).tobytes() for letter in set(name)}) == len(set(name))


def test_the_same_tiles_are_the_same_bytes():
    random = np.random.default_rng(1)
    tiles = [Tile(random.integers(0, 255, (30, 20, 3)).astype(np.uint8), (Line("é"),))] * 4
    assert draw_grid(tiles, 3, 100) == draw_grid(tiles, 3, 100)


def test_a_photograph_is_smaller_as_jpeg_and_a_drawing_as_png():
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3)).astype(np.uint8)
    assert smaller(draw_grid([Tile(noise, ())], 1, 300)).startswith(b"\xff\xd8")
    assert smaller(draw_grid([tile(8, 8)], 1, 80)).startswith(b"\x89PNG")
