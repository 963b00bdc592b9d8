"""What nasnet_tf.report promises: pictures of cells and searches, one page, whole files, no
pyplot.
"""

import base64
import html.parser
import itertools
import random
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nasnet_tf.drawing.rows import crossings_between, packed_width, spread
from nasnet_tf.drawing.style import FAMILIES, family_of, short_name
from nasnet_tf.genotype import (
    COMBINATIONS,
    GENOTYPES,
    OPERATION_NAMES,
    Block,
    Cell,
    Genotype,
    check,
    unused,
)
from nasnet_tf.report import draw_genotype, draw_pareto, draw_search, write_page
from nasnet_tf.report.curves import best_so_far, running_mean
from nasnet_tf.report.pareto import pareto_figure, short
from nasnet_tf.systems.cells import figure as cells
from nasnet_tf.systems.cells.layout import Rows, layout

NASNET_A = GENOTYPES["nasnet_a"]
IN_TWO_PARTS = Cell(
    (Block(1, "conv_1x1", 1, "avg_pool_3x3"), Block(2, "avg_pool_3x3", 1, "sep_conv_7x7")), (0, 3)
)  # joined by concat only
PUBLISHED = sorted({cell for genotype in GENOTYPES.values() for cell in genotype})


def random_cell(seed, blocks):
    rng = random.Random(seed)
    made = tuple(
        Block(
            rng.randrange(i + 2),
            rng.choice(OPERATION_NAMES),
            rng.randrange(i + 2),
            rng.choice(OPERATION_NAMES),
            rng.choice(COMBINATIONS),
        )
        for i in range(blocks)
    )
    return check(Cell(made, tuple(state for state in unused(made) if state > 1)))


@st.composite
def any_cells(draw):
    number = draw(st.integers(1, 9))
    operation, combine = st.sampled_from(OPERATION_NAMES), st.sampled_from(COMBINATIONS)
    blocks = tuple(
        Block(
            draw(st.integers(0, i + 1)),
            draw(operation),
            draw(st.integers(0, i + 1)),
            draw(operation),
            draw(combine),
        )
        for i in range(number)
    )
    concat = draw(
        st.sets(st.integers(0, number + 1), min_size=1).filter(lambda states: max(states) > 1)
    )
    return check(Cell(blocks, tuple(sorted(concat))))


def sides(box):
    return (
        box.x - box.width / 2,
        box.x + box.width / 2,
        box.y - box.height / 2,
        box.y + box.height / 2,
    )


def overlap(one, two):
    (a, b, c, d), (e, f, g, h) = sides(one), sides(two)
    return min(b, f) - max(a, e) > 1e-6 and min(d, h) - max(c, g) > 1e-6


def trial(number, reward, **others):
    return {
        "trial": number,
        "reward": reward,
        "status": "COMPLETED" if reward is not None else "FAILED",
        "seconds": 1.5,
        **others,
    }


def page(tmp_path, **changes):
    arguments = {
        "title": "digits",
        "facts": {"strategy": "random"},
        "genotype": None,
        "trials": [trial(0, 0.5), trial(1, None)],
    }
    write_page(tmp_path / "report.html", **{**arguments, **changes})
    return (tmp_path / "report.html").read_text(encoding="utf-8")


# Layout


@settings(max_examples=30, deadline=None)
@given(any_cells())
def test_no_two_boxes_of_a_cell_overlap_and_neither_do_two_blocks(cell):
    placed = layout(cell)
    for boxes in (placed.boxes, placed.shades):
        assert not any(overlap(one, two) for one, two in itertools.combinations(boxes, 2))


@settings(max_examples=30, deadline=None)
@given(any_cells())
def test_no_line_runs_behind_a_box(cell):
    placed = layout(cell)
    for wire in placed.wires:
        for (x0, y0), (x1, y1) in itertools.pairwise(wire.points):
            for left, right, bottom, top in map(sides, placed.boxes):
                if (
                    min(y1, top) - max(y0, bottom) > 1e-6
                ):  # beside each other: then the line is a lane, and runs clear of the box
                    assert x0 == x1
                    assert not left - 0.05 < x0 < right + 0.05


@settings(max_examples=30, deadline=None)
@given(any_cells())
def test_lines_go_up_and_everything_lies_inside_the_picture(cell):
    placed = layout(cell)
    for wire in placed.wires:
        assert all(y0 < y1 for (_, y0), (_, y1) in itertools.pairwise(wire.points))
        assert all(-1e-6 <= x <= placed.width + 1e-6 for x, _ in wire.points)
    for left, right, bottom, top in map(sides, (*placed.boxes, *placed.shades)):
        assert (
            left >= -1e-6
            and bottom >= -1e-6
            and right <= placed.width + 1e-6
            and top <= placed.height + 1e-6
        )


@settings(max_examples=30, deadline=None)
@given(any_cells())
def test_a_cell_has_all_its_operations_combinations_inputs_and_its_output(cell):
    placed = layout(cell)
    assert len(placed.boxes) == 3 * len(cell.blocks) + 4
    assert len(placed.wires) == 4 * len(cell.blocks) + len(cell.concat) + 1


@settings(max_examples=30, deadline=None)
@given(any_cells())
def test_each_operation_is_reached_by_a_line_from_the_state_it_reads(cell):
    placed = layout(cell)
    into = {
        (round(x, 6), round(y, 6)): wire.state for wire in placed.wires for x, y in wire.points[-1:]
    }
    for shade in placed.shades:
        block = cell.blocks[int(shade.text) - 2]
        inner = sorted((b for b in placed.boxes if overlap(b, shade)), key=lambda b: b.y)[:2]
        read = sorted((into[round(b.x, 6), round(sides(b)[2], 6)], b.text) for b in inner)
        names = sorted(
            (
                (block.input_1, short_name(block.operation_1)),
                (block.input_2, short_name(block.operation_2)),
            )
        )
        assert read == names


@settings(max_examples=100, deadline=None)
@given(any_cells())
@example(IN_TWO_PARTS)
def test_a_cell_is_little_wider_than_its_widest_row(cell):
    rows = Rows(cell)
    widest = max(
        packed_width([rows.width(k, state) for state in row]) for k, row in enumerate(rows.order)
    )
    assert layout(cell).width <= 1.3 * widest + 1


def test_the_parts_of_a_cell_that_no_line_joins_stand_side_by_side():
    p, h = (
        box for box in layout(IN_TWO_PARTS).boxes if box.text.startswith(("$h_i$", "$h_{i-1}$"))
    )
    assert sides(h)[0] - sides(p)[1] < p.width


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-20, 20), st.floats(0.1, 20), st.floats(0.2, 4)), min_size=1, max_size=6
    ),
    st.floats(1, 3),
)
def test_boxes_are_spread_in_order_within_the_frame_as_near_to_their_wishes_as_can_be(row, slack):
    wishes, weights, widths = zip(*row, strict=True)
    frame = slack * packed_width(widths)
    places = spread(wishes, weights, widths, frame)

    def fits(xs):
        ends = [
            end
            for x, width in zip(xs, widths, strict=True)
            for end in (x - width / 2, x + width / 2)
        ]
        gaps = [right - left for left, right in zip(ends[1:-1:2], ends[2::2], strict=True)]
        return (
            all(gap >= 0.4 - 1e-9 for gap in gaps)
            and -frame / 2 - 1e-9 <= ends[0]
            and ends[-1] <= frame / 2 + 1e-9
        )

    def cost(xs):
        return sum(
            weight * (x - wish) ** 2 for x, wish, weight in zip(xs, wishes, weights, strict=True)
        )

    assert fits(places)
    for first, last in itertools.combinations(
        range(len(row) + 1), 2
    ):  # no run of neighbours has a better place (the problem is convex)
        for step in (-0.01, 0.01):
            moved = [x + step * (first <= i < last) for i, x in enumerate(places)]
            assert not fits(moved) or cost(moved) >= cost(places) - 1e-9


def test_layout_is_a_function_of_the_cell_alone():
    cell = random_cell(5, 8)
    assert layout(cell) == layout(Cell(*cell))


def test_a_block_stands_above_the_blocks_it_reads():
    chain = Cell(tuple(Block(i + 1, "identity", 0, "identity") for i in range(4)), (5,))
    heights = {shade.text: shade.y for shade in layout(chain).shades}
    assert heights["2"] < heights["3"] < heights["4"] < heights["5"]


def test_blocks_that_read_only_the_inputs_stand_in_one_row():
    assert len({shade.y for shade in layout(NASNET_A.normal).shades}) == 1


def test_two_blocks_whose_inputs_are_far_apart_are_put_in_the_order_without_crossings():
    crossed = Cell(
        (Block(0, "identity", 0, "identity"), Block(1, "identity", 1, "identity")), (2, 3)
    )
    xs = {shade.text: shade.x for shade in layout(crossed).shades}
    assert xs["3"] < xs["2"]  # p is on the left


@pytest.mark.parametrize("seed", range(10))
def test_ordering_leaves_no_more_crossings_than_the_order_given(seed):
    rows = Rows(random_cell(seed, 8))
    given_order = [[1, 0], *map(sorted, rows.order[1:])]
    count = [
        sum(crossings_between(some[k - 1], some[k], rows.sources, k) for k in range(1, len(some)))
        for some in (rows.order, given_order)
    ]
    assert count[0] <= count[1]


def test_states_the_output_does_not_depend_on_are_dead_with_their_lines():
    cell = Cell(
        (
            Block(0, "identity", 0, "identity"),
            Block(2, "conv_1x1", 1, "identity"),
            Block(0, "identity", 0, "identity"),
        ),
        (4,),
    )
    placed = layout(cell)
    assert {shade.text: shade.live for shade in placed.shades} == {
        "2": False,
        "3": False,
        "4": True,
    }
    assert {
        box.text.split("\n")[0]: box.live for box in placed.boxes if box.text.startswith("$h")
    } == {"$h_{i-1}$": False, "$h_i$": True, "$h_{i+1}$": True}
    assert sum(not wire.live for wire in placed.wires) == 8


@pytest.mark.parametrize("cell", PUBLISHED)
def test_nothing_in_a_published_cell_is_dead(cell):
    assert all(box.live for box in layout(cell).boxes)


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        ("sep_conv_5x5", "sep 5x5"),
        ("max_pool_3x3", "max 3x3"),
        ("identity", "identity"),
        ("conv_1x7_7x1", "1x7 7x1"),
        ("conv_1x1", "conv 1x1"),
    ],
)
def test_an_operation_is_named_in_a_few_letters(operation, text):
    assert short_name(operation) == text


def test_every_operation_has_a_family():
    assert {family_of(operation) for operation in OPERATION_NAMES} == set(FAMILIES)


def test_a_cell_that_reads_ahead_is_refused():
    with pytest.raises(ValueError, match="block 0 reads state 3"):
        layout(Cell((Block(3, "identity", 0, "identity"),), (2,)))


# Pictures of cells


@pytest.mark.parametrize("blocks", [1, 8])
def test_a_random_genotype_is_drawn_as_png(tmp_path, blocks):
    draw_genotype(Genotype(random_cell(1, blocks), random_cell(2, blocks)), tmp_path / "cell.png")
    assert (tmp_path / "cell.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert [path.name for path in tmp_path.iterdir()] == ["cell.png"]


def test_a_genotype_is_drawn_as_svg_the_same_bytes_each_time(tmp_path):
    for name in ("one.svg", "two.SVG"):
        draw_genotype(NASNET_A, tmp_path / name, title="NASNet-A")
    assert ElementTree.parse(tmp_path / "one.svg").getroot().tag.endswith("svg")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.SVG").read_bytes()


def test_a_title_may_hold_any_text(tmp_path):
    draw_genotype(NASNET_A, tmp_path / "cell.svg", title="$5 & \\frac{ <b> -- \x01 \n")
    draw_search([0.5], tmp_path / "search.svg", title="$5 & \\frac{ <b> -- \x01 \n", ylabel="$x")
    for name in ("cell.svg", "search.svg"):
        ElementTree.parse(tmp_path / name)


@pytest.mark.parametrize("genotype", [NASNET_A, Genotype(random_cell(1, 1), random_cell(2, 1))])
def test_no_word_sticks_out_of_the_picture_or_of_its_box(genotype):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = cells.genotype_figure(genotype, "title")
    renderer = FigureCanvasAgg(figure).get_renderer()
    (axes,) = figure.axes
    boxes = [patch.get_window_extent(renderer) for patch in axes.patches if patch.get_zorder() == 4]
    for text in axes.texts:
        extent = text.get_window_extent(renderer)
        assert (
            figure.bbox.x0 <= extent.x0
            and extent.x1 <= figure.bbox.x1
            and extent.y1 <= figure.bbox.y1
        )
        if text.get_zorder() == 5:
            assert any(
                box.x0 < extent.x0
                and extent.x1 < box.x1
                and box.y0 < extent.y0
                and extent.y1 < box.y1
                for box in boxes
            ), text


def test_a_picture_of_another_kind_is_refused(tmp_path):
    with pytest.raises(ValueError, match="written as .png or .svg"):
        draw_genotype(NASNET_A, tmp_path / "cell.gif")
    with pytest.raises(ValueError, match="written as .png or .svg"):
        draw_search([0.5], tmp_path / "search")


def test_what_is_no_genotype_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a Genotype, got Cell"):
        draw_genotype(NASNET_A.normal, tmp_path / "cell.png")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="there is no folder .*missing; create it first"):
        draw_search([0.5], tmp_path / "missing" / "search.svg")


# Pictures of searches


@pytest.mark.parametrize("number", [0, 1, 2, 20, 2000])
def test_a_search_of_any_length_is_drawn(tmp_path, number):
    rng = random.Random(number)
    rewards = [None if rng.random() < 0.1 else rng.random() for _ in range(number)]
    draw_search(rewards, tmp_path / "search.png", baseline=rewards[::2])
    assert (tmp_path / "search.png").read_bytes().startswith(b"\x89PNG")


def test_a_search_in_which_every_trial_failed_is_drawn(tmp_path):
    draw_search([None, float("nan"), float("inf")], tmp_path / "search.svg", baseline=[None])
    assert "no trial has succeeded yet" in (tmp_path / "search.svg").read_text()


def test_a_reward_that_is_no_number_is_refused(tmp_path):
    with pytest.raises(ValueError, match="trial 1 has reward 'good'; give a number, or None"):
        draw_search([0.5, "good"], tmp_path / "search.svg")


def test_the_best_so_far_steps_where_a_trial_beats_all_before_it():
    assert best_so_far([None, 0.2, 0.1, None, 0.5, 0.5]) == [(2, 0.2), (5, 0.5)]


def test_the_running_mean_is_over_five_trials_that_succeeded_or_a_fifth_of_them():
    assert running_mean([1.0, 2.0, None, 3.0, 4.0, 5.0, 6.0]) == [(6, 3.0), (7, 4.0)]
    assert len(running_mean([0.0] * 100)) == 81


# The page


def test_a_page_is_one_whole_html_document_that_loads_nothing(tmp_path):
    text = page(tmp_path, genotype=NASNET_A, baseline=[0.1, None], notes=["a note"])
    assert text.startswith("<!DOCTYPE html>") and text.endswith("</html>\n")
    assert all(
        source.startswith("data:image/svg+xml;base64,")
        for source in re.findall(r'(?:src|href)="([^"]*)"', text)
    )
    assert "url(" not in text and "@import" not in text and "<script" not in text
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_the_tags_of_a_page_are_closed_in_order(tmp_path):
    class Checker(html.parser.HTMLParser):
        open_tags: list = []

        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "img"):
                self.open_tags.append(tag)

        def handle_endtag(self, tag):
            assert self.open_tags.pop() == tag

    checker = Checker()
    checker.feed(page(tmp_path, notes=["a note"]))
    assert not checker.open_tags


def test_the_pictures_in_a_page_are_sound_svg(tmp_path):
    pictures = re.findall(r'base64,([^"]*)"', page(tmp_path, genotype=NASNET_A))
    assert len(pictures) == 2
    assert all(
        ElementTree.fromstring(base64.b64decode(picture)).tag.endswith("svg")
        for picture in pictures
    )


def test_all_text_in_a_page_is_escaped(tmp_path):
    evil = '<script>alert("1")</script>'
    trials = [trial(evil, 0.5, **{evil: evil}) | {"status": evil, "seconds": evil}]
    text = page(tmp_path, title=evil, facts={evil: evil}, notes=[evil], trials=trials)
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;") == 10


def test_a_page_lists_the_best_twenty_trials_best_first(tmp_path):
    text = page(
        tmp_path, trials=[trial(number, number / 100) for number in range(30)] + [trial(30, None)]
    )
    listed = re.findall(r'<tr><td class="number">(\d+)</td>', text)
    assert listed == [str(number) for number in range(29, 9, -1)]
    assert "31 trials ended, 1 of them failed. The best 20:" in text


def test_a_page_shows_what_else_a_trial_holds(tmp_path):
    text = page(tmp_path, trials=[trial(0, 0.5, parent=None), trial(1, 0.75, parent=0)])
    assert '<th class="number">parent</th>' in text and '<td class="number">0.7500</td>' in text


def test_a_page_of_a_search_that_has_just_begun(tmp_path):
    text = page(tmp_path, trials=[], facts={})
    assert "No cell yet." in text and "0 trials ended" in text


def test_a_trial_without_a_reward_key_is_refused(tmp_path):
    with pytest.raises(
        ValueError,
        match=r"trials\[1\] lacks 'reward'; each trial needs trial, reward, status, seconds",
    ):
        page(tmp_path, trials=[trial(0, 0.5), {"trial": 1, "status": "FAILED", "seconds": 0}])


def test_the_baseline_of_a_page_may_be_rewards_or_trials(tmp_path):
    of_rewards, of_trials = (
        page(tmp_path, baseline=found).split("Best trials")
        for found in ([0.25, None], [trial(0, 0.25), trial(1, None)])
    )
    assert of_rewards[0] == of_trials[0], "the pictures are the same"


def test_the_best_trials_are_those_of_the_search_and_of_the_baseline(tmp_path):
    text = page(
        tmp_path,
        trials=[trial(0, 0.5), trial(1, 0.7)],
        baseline=[trial(5, 0.6), trial(6, 0.9), trial(7, None)],
    )
    listed = re.findall(r'<tr><td class="number">(\d+)</td>', text.split("Best trials")[1])
    assert listed == ["6", "1", "5", "0"] and text.count("<td>random baseline</td>") == 2
    assert "5 trials ended, 3 of them of the random baseline, 1 of them failed." in text


# Files and imports


def test_nothing_is_left_and_the_old_file_stays_if_drawing_fails(tmp_path, monkeypatch):
    (tmp_path / "report.html").write_text("old")

    def fail(*_):
        raise RuntimeError("no ink")

    monkeypatch.setattr("nasnet_tf.report.page.search_figure", fail)
    with pytest.raises(RuntimeError, match="no ink"):
        page(tmp_path)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_nothing_is_left_if_the_file_cannot_be_put_in_place(tmp_path):
    (tmp_path / "search.svg").mkdir()
    with pytest.raises(OSError):
        draw_search([0.5], tmp_path / "search.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["search.svg"]


def test_importing_report_imports_no_matplotlib_and_drawing_no_pyplot_nor_keras(tmp_path):
    code = """
import sys, nasnet_tf.report as report
assert "matplotlib" not in sys.modules
report.draw_search([0.5], sys.argv[1])
assert not {"matplotlib.pyplot", "keras", "tensorflow"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "search.png")], check=True)


def test_the_callers_matplotlib_settings_neither_show_nor_change(tmp_path):
    import matplotlib

    draw_search([0.5, 0.6], tmp_path / "one.svg")
    with matplotlib.rc_context({"text.color": "white", "xtick.color": "white", "font.size": 30}):
        draw_search([0.5, 0.6], tmp_path / "two.svg")
        assert matplotlib.rcParams["font.size"] == 30
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


# Accuracy and cost


def priced(number, accuracy, multiply_adds):
    return trial(number, accuracy, val_accuracy=accuracy, multiply_adds=multiply_adds)


PRICED = [
    priced(0, 0.5, 1000),
    priced(1, 0.6, 2000),
    priced(2, 0.55, 30_000),
    priced(3, None, 500),
    priced(4, 0.9, 90_000),
]


def test_the_front_is_drawn_through_the_trials_that_nothing_beats():
    axes = pareto_figure(PRICED, [priced(7, 0.7, 1500)]).axes[0]
    (line,) = axes.lines
    assert list(zip(*line.get_data(), strict=True)) == [(1000, 0.5), (1500, 0.7), (90_000, 0.9)]
    assert [text.get_text() for text in axes.texts] == ["0", "7", "4"]
    assert (
        sum(len(c.get_offsets()) for c in axes.collections) == 5 + 3
    )  # every trial that succeeded, and the front's marks


@pytest.mark.parametrize(
    "trials",
    [[], [priced(0, None, 10)], [priced(0, 0.5, 10)], [priced(0, 0.5, 10), priced(1, 0.5, 10)]],
    ids=len,
)
def test_there_is_a_picture_however_few_trials_there_are(tmp_path, trials):
    draw_pareto(trials, tmp_path / "pareto.svg", target=100.0)
    ElementTree.parse(tmp_path / "pareto.svg")


def test_a_trial_that_costs_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="trial 0 has 0 multiply-adds; give a number above 0"):
        draw_pareto([priced(0, 0.5, 0)], tmp_path / "pareto.png")
    assert not list(tmp_path.iterdir())


def test_the_page_shows_cost_where_it_is_told(tmp_path):
    assert "Accuracy and cost" not in page(tmp_path)
    assert "Accuracy and cost" in page(tmp_path, trials=PRICED, baseline=[0.5], target=5000)


@pytest.mark.parametrize(
    ("value", "says"),
    [(950, "950"), (12_345, "12.3k"), (999_900, "1M"), (1.5e6, "1.5M"), (2.4e10, "24G")],
    ids=str,
)
def test_costs_are_written_short(value, says):
    assert short(value) == says
