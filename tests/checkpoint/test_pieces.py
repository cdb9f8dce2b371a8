import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load

from launcher.checkpoint.pieces import ALIGNMENT, SIZES, Piece, header_length, lay_out, read_header

names = st.text(st.characters(exclude_categories=["Cs"]))
pieces = st.lists(
    st.builds(
        Piece,
        parameter=names,
        slot=st.text("abc_", min_size=1),
        offset=st.integers(0, 2**40),
        length=st.integers(1, 50),
        total=st.integers(1, 2**40),
        dtype=st.sampled_from(sorted(SIZES)),
    ),
    unique_by=lambda piece: piece.name,
)


@given(pieces)
def test_a_header_tells_the_pieces_and_where_they_begin(given: list[Piece]) -> None:
    layout = lay_out(given)
    assert header_length(layout.header) == len(layout.header)
    assert len(layout.header) % ALIGNMENT == 0
    assert read_header(layout.header) == layout
    ends = [start + piece.size for start, piece in zip(layout.starts, given, strict=True)]
    assert [len(layout.header), *ends] == [*layout.starts, layout.size]


def test_safetensors_reads_what_is_laid_out() -> None:
    layout = lay_out([Piece("a", "weight", 0, 3, 9, "F32"), Piece("b", "exp_avg", 5, 2, 7, "BF16")])
    first, second = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0, 5.0], dtype=torch.bfloat16)
    body = first.view(torch.uint8).numpy().tobytes() + second.view(torch.uint8).numpy().tobytes()
    loaded = load(layout.header + body)
    assert torch.equal(loaded["a|weight|0|9"], first)
    assert torch.equal(loaded["b|exp_avg|5|7"], second)
