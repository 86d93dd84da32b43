"""Why a request is not taken: one value, which each standard's API says in its own words."""

from collections.abc import Sequence

from corridor.codes import Reject
from corridor.decoding import Rejected
from producers.intake import Taken

TITLES = {
    400: "Not a message of this format",
    401: "Who are you?",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "The request took too long",
    413: "Too large",
    414: "The address is too long",
    415: "Not a media type of this format",
    422: "Nothing in the message can be used",
    429: "Too many messages",
    500: "The message could not be read; this is our fault",
    503: "Not now",
}


class Refusal(Exception):
    """A request is answered with this, and has changed nothing but, at most, the quarantine."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        rejected: Sequence[Rejected] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        """Makes a refusal.

        Args:
            status: The HTTP status; of one of `TITLES`.
            detail: What is wrong, for a person at the sending party.
            rejected: What is wrong with each statement of the message.
            headers: Of the answer.
        """
        super().__init__(detail)
        self.status = status
        self.title = TITLES[status]
        self.detail = detail
        self.rejected = rejected
        self.headers = headers or {}


def not_now(detail: str, seconds: int = 1) -> Refusal:
    """The sender should try again: nothing is known to be kept."""
    return Refusal(503, detail, headers={"Retry-After": str(seconds)})


def verdict(taken: Taken) -> Refusal | None:
    """Why a message is refused of which nothing was published; None where something was."""
    if taken.accepted or not taken.rejected:
        return None
    first = taken.rejected[0]
    reasons = {rejected.reason for rejected in taken.rejected}
    if Reject.DECODER_FAILED in reasons:
        detail = (
            "it is kept, and will be read once that is mended; there is no need to send it again"
        )
        return Refusal(500, detail, rejected=taken.rejected)
    if reasons == {Reject.FOREIGN_SOURCE}:
        return Refusal(403, first.detail, rejected=taken.rejected)
    if len(taken.rejected) == 1 and first.reason is Reject.MALFORMED and first.field is None:
        return Refusal(400, first.detail, rejected=taken.rejected)
    more = len(taken.rejected) - 1
    where = f"{first.field}: " if first.field else ""
    detail = where + first.detail + (f"; and {more} more" if more else "")
    return Refusal(422, detail, rejected=taken.rejected)
