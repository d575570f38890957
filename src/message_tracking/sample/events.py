"""What an event of a sample can be: the codes in its columns."""

from message_tracking.sample.tracked_urls import UNDOCUMENTED_TYPES, UrlType

TICKS = 100
"""Time is counted in hundredths of a second, as the log prints it."""

KINDS = ["open", "click", "opt_out", "web", "transaction", "mirror_page", "unknown"]
OPEN, CLICK, OPT_OUT, WEB, TRANSACTION, MIRROR_PAGE, UNKNOWN = range(len(KINDS))
URL_TYPES: dict[int, tuple[int, ...]] = {
    CLICK: (UrlType.CLICK,),
    OPT_OUT: (UrlType.OPT_OUT,),
    WEB: (UrlType.WEB,),
    TRANSACTION: (UrlType.TRANSACTION,),
    MIRROR_PAGE: (UrlType.MIRROR_PAGE,),
    UNKNOWN: (*UNDOCUMENTED_TYPES, UrlType.OPEN),
}
"""The URL types that each kind is a reaction on."""

OPEN_PIXEL = -1
"""Stands for the reserved URL id 1 in the column `url`."""

DEVICES = 4
"""Browsers that can act on one message: two of its reader's, one of whom it was forwarded to, and a machine's."""
FORWARDED, OF_MACHINE = 2, 3

NO_UUID, COOKIE, NO_COOKIES = 0, 1, 2
"""Whose requester UUID an event carries: nobody's, the device's own, or a new one because cookies are refused."""

PRIMARY, REPEAT, EDGE, FAST = range(4)
"""How an event came about: by itself, as a repeat of another one within a minute, as an open at an edge, or because
somebody is fast."""
