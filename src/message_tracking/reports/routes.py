"""The pages: which addresses there are, and what each may be asked."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, HTTPException, Path, Query
from fastapi.responses import Response

from message_tracking.reports.answering import Build, show, show_operations
from message_tracking.reports.pages import (
    activities,
    click_streams,
    dashboards,
    deliveries,
    indicators,
    pipeline,
    recipients,
    shares,
    statistics,
    tracking,
    visitors,
)
from message_tracking.reports.reading import Snapshot
from message_tracking.reports.viewing import View, viewing

ReportView = Annotated[View, Depends(viewing("bi_reader"))]
PersonsView = Annotated[View, Depends(viewing("tracking_analyst"))]
OperationsView = Annotated[View, Depends(viewing("ops_reader"))]
Id = Annotated[int, Path(ge=-(2**63), le=2**63 - 1)]
IdField = Annotated[str, Query(pattern=r"^-?[0-9]{0,18}$")]
"""A field of a form, which may be empty."""
Words = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]

router = APIRouter()


def _of(delivery_id: int, build: Callable[[Snapshot, int], dict[str, Any]]) -> Build:
    """A page of one delivery, which must be known."""

    def built(snapshot: Snapshot) -> dict[str, Any]:
        delivery = deliveries.delivery(snapshot, delivery_id)
        if delivery is None:
            raise HTTPException(
                404, f"There is no delivery {delivery_id} in publication {snapshot.publication.number}."
            )
        return build(snapshot, delivery_id) | {"delivery": delivery}

    return built


def _filters(
    event_type: Annotated[str, Query(pattern=f"^({'|'.join(tracking.EVENT_TYPES)})?$")] = "",
    label: Words = "",
    recipient_id: IdField = "",
    since: Annotated[str, Query(pattern=tracking.TIME_PATTERN)] = "",
    until: Annotated[str, Query(pattern=tracking.TIME_PATTERN)] = "",
) -> tracking.Filters:
    """What of the logs is asked for; an empty field of a form leaves nothing out."""
    return tracking.Filters(
        event_type=event_type or None,
        label=label or None,
        recipient_id=_id(recipient_id),
        since=since or None,
        until=until or None,
    )


def _recipient_filters(
    clicks: Literal["", "only"] = "",
    delivery_id: IdField = "",
    since: Annotated[str, Query(pattern=tracking.TIME_PATTERN)] = "",
    until: Annotated[str, Query(pattern=tracking.TIME_PATTERN)] = "",
) -> recipients.Filters:
    """What of a recipient's logs is asked for; an empty field of a form leaves nothing out."""
    return recipients.Filters(
        is_clicks_only=clicks == "only",
        delivery_id=_id(delivery_id),
        since=since or None,
        until=until or None,
    )


def _id(field: str) -> int | None:
    return int(field) if field.strip("-") else None


def _search(
    search: Words = "",
    kind: Literal["all", "real", "tests"] = "all",
    sort: Annotated[str, Query(pattern=f"^({'|'.join(deliveries.SORTS)})$")] = "contact",
    order: Literal["asc", "desc"] = "desc",
) -> deliveries.Search:
    """Which deliveries are asked for, and in which order."""
    return deliveries.Search(search, kind, sort, is_descending=order == "desc")


@router.get("/")
def delivery_list(
    view: ReportView,
    search: Annotated[deliveries.Search, Depends(_search)],
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    """The list of deliveries."""

    def build(snapshot: Snapshot) -> dict[str, Any]:
        return deliveries.delivery_list(snapshot, search, page) | {"search": search, "columns": deliveries.LISTED}

    return show(view, "deliveries.html", build, {"deliveries": lambda it: deliveries.exported_list(it, search)})


@router.get("/deliveries/{delivery_id}")
def dashboard(view: ReportView, delivery_id: Id) -> Response:
    """The dashboard of a delivery."""
    return show(view, "dashboard.html", _of(delivery_id, dashboards.report))


@router.get("/deliveries/{delivery_id}/tracking")
def tracking_logs(
    view: ReportView,
    delivery_id: Id,
    filters: Annotated[tracking.Filters, Depends(_filters)],
    before: Annotated[str | None, Query(pattern=tracking.KEY_PATTERN)] = None,
) -> Response:
    """Its Tracking tab: logs."""

    def build(snapshot: Snapshot, delivery_id: int) -> dict[str, Any]:
        found = tracking.logs(snapshot, delivery_id, filters, before)
        return found | {"filters": filters, "types": tracking.EVENT_TYPES, "is_first": before is None}

    exports = {"logs": lambda snapshot: tracking.exported_logs(snapshot, delivery_id, filters)}
    return show(view, "tracking_logs.html", _of(delivery_id, build), exports)


@router.get("/deliveries/{delivery_id}/tracking/urls")
def tracking_urls(view: ReportView, delivery_id: Id, search: Words = "") -> Response:
    """Its Tracking tab: URLs."""

    def build(snapshot: Snapshot, delivery_id: int) -> dict[str, Any]:
        return {"urls": tracking.urls(snapshot, delivery_id, search), "search": search}

    return show(view, "tracking_urls.html", _of(delivery_id, build))


@router.get("/deliveries/{delivery_id}/click-streams")
def url_click_streams(
    view: ReportView,
    delivery_id: Id,
    mode: Literal["label", "url", "category"] = "label",
    top: Annotated[int, Query(ge=1, le=100)] = 10,
    window: Literal["launch", "1h", "3h", "6h", "24h", "7d", "1m"] = "launch",
) -> Response:
    """URLs and click streams."""

    def build(snapshot: Snapshot, delivery_id: int) -> dict[str, Any]:
        chosen = {"mode": mode, "top": top, "window": window}
        offered = {"modes": click_streams.MODES, "tops": click_streams.TOPS, "windows": click_streams.WINDOWS}
        return click_streams.report(snapshot, delivery_id, mode, top, window) | chosen | offered

    return show(view, "click_streams.html", _of(delivery_id, build))


@router.get("/deliveries/{delivery_id}/statistics")
def tracking_statistics(
    view: ReportView,
    delivery_id: Id,
    period: Literal["1h", "3h", "6h", "24h", "7d", "1m", "all"] = "all",
) -> Response:
    """Tracking statistics."""

    def build(snapshot: Snapshot, delivery_id: int) -> dict[str, Any]:
        found = statistics.report(snapshot, delivery_id, period)
        return found | {"period": period, "periods": statistics.PERIODS}

    return show(view, "statistics.html", _of(delivery_id, build))


@router.get("/deliveries/{delivery_id}/indicators")
def tracking_indicators(view: ReportView, delivery_id: Id) -> Response:
    """Tracking indicators."""
    return show(view, "indicators.html", _of(delivery_id, indicators.report))


@router.get("/deliveries/{delivery_id}/activities")
def user_activities(
    view: ReportView, delivery_id: Id, interval: Literal["half_hour", "hour", "day"] = "day"
) -> Response:
    """User activities."""

    def build(snapshot: Snapshot, delivery_id: int) -> dict[str, Any]:
        found = activities.report(snapshot, delivery_id, interval)
        return found | {"interval": interval, "intervals": activities.INTERVALS}

    return show(view, "activities.html", _of(delivery_id, build))


REPORTS_OF_SHARES = {
    "delivery-statistics": ("Delivery statistics", shares.delivery_statistics),
    "opens": ("Breakdown of opens", shares.open_breakdown),
    "sharing": ("Sharing to social networks", shares.sharing),
    "summary": ("Delivery summary", shares.delivery_summary),
    "bounces": ("Non-deliverables and bounces", shares.bounces),
}
"""Reports that are tables only: their title and what makes them."""


@router.get("/deliveries/{delivery_id}/{report}")
def report_of_shares(
    view: ReportView,
    delivery_id: Id,
    report: Literal["delivery-statistics", "opens", "sharing", "summary", "bounces"],
) -> Response:
    """Delivery statistics, Breakdown of opens, Sharing, Delivery summary, or Non-deliverables and bounces."""
    title, make = REPORTS_OF_SHARES[report]
    return show(view, "report.html", _of(delivery_id, lambda *asked: make(*asked) | {"title": title}))


@router.get("/visitors/{report}")
def visitors_by_agent(
    view: ReportView, report: Literal["browsers", "operating-systems"], days: Literal["7", "30", "182"] = "182"
) -> Response:
    """Browsers, or Operating systems."""
    title, make = visitors.REPORTS[report]
    chosen = {"title": title, "days": days, "periods": visitors.PERIODS}
    return show(view, "visitors.html", lambda snapshot: {"agents": make(snapshot, int(days))} | chosen)


@router.get("/pipeline")
def pipeline_state(view: OperationsView) -> Response:
    """The state of the pipeline."""
    airflow = view.root.rpartition("/")[0] if view.root else None
    return show_operations(view, "pipeline.html", lambda reading: pipeline.report(reading, airflow))


@router.get("/recipients")
def recipient_search(view: PersonsView) -> Response:
    """The search for a recipient."""
    return show(view, "recipients.html", lambda _: {"wanted": None, "found": []})


# What is looked for may be somebody's address, which must not stand in an address and so in a server's log.
@router.post("/recipients")
def found_recipients(
    view: PersonsView, wanted: Annotated[str, Form(max_length=320, pattern=r"^[^\x00]*$")] = ""
) -> Response:
    """The recipients of an id or an e-mail address."""
    words = wanted.strip()
    return show(view, "recipients.html", lambda snapshot: {"wanted": words, "found": recipients.found(snapshot, words)})


@router.get("/recipients/{recipient_id}")
def recipient_logs(
    view: PersonsView,
    recipient_id: Id,
    filters: Annotated[recipients.Filters, Depends(_recipient_filters)],
    before: Annotated[str | None, Query(pattern=tracking.KEY_PATTERN)] = None,
) -> Response:
    """The Tracking tab of a recipient."""

    def leads(delivery_id: int) -> str | None:
        return view.url(f"/deliveries/{delivery_id}") if "bi_reader" in view.viewer.groups else None

    def build(snapshot: Snapshot) -> dict[str, Any]:
        recipient = recipients.recipient(snapshot, recipient_id)
        if recipient is None:
            raise HTTPException(
                404, f"There is no recipient {recipient_id} in publication {snapshot.publication.number}."
            )
        shown = recipients.logs(snapshot, recipient_id, filters, before, leads)
        return shown | {"recipient": recipient, "filters": filters, "is_first": before is None}

    exports = {"logs": lambda snapshot: recipients.exported_logs(snapshot, recipient_id, filters)}
    return show(view, "recipient.html", build, exports)
