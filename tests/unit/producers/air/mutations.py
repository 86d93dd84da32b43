"""What strangers do to messages: any bytes, and valid messages with something wrong in them."""

import os

from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("CORRIDOR_FUZZ_EXAMPLES", "150"))

_HURT = st.lists(
    st.tuples(st.integers(0, 10_000), st.integers(0, 12), st.binary(max_size=4)), max_size=4
)
_WORDS = [
    b"null", b"[]", b"{}", b"-1", b"1e999", b"\xff\xfe", b"\x00", b'"\\ud800"', b"9" * 400,
    b"true", b"'", b"/", b"<a>", b"&amp;", b"0000", b"31FEB", b"ZZZ", b"[" * 90,
]  # fmt: skip


def mutated(*messages: bytes) -> st.SearchStrategy[bytes]:
    """Messages of which some parts are gone, doubled or replaced by something else."""

    @st.composite
    def build(draw: st.DrawFn) -> bytes:
        text = draw(st.sampled_from(messages))
        for start, length, other in draw(_HURT):
            at = start % (len(text) + 1)
            word = draw(st.sampled_from([other, *_WORDS, text[at : at + 20]]))
            text = text[:at] + word + text[at + length :]
        return text

    return st.one_of(st.binary(max_size=200), build())
