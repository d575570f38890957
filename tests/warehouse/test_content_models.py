"""What the models see of message bodies, as these come and change."""

from psycopg2.extensions import connection as Connection  # noqa: N812

from message_tracking.warehouse import fetch_all


def test_a_body_touches_its_delivery_when_it_comes_and_when_it_changes(
    pipeline, landing, connection: Connection
) -> None:
    def published() -> tuple[list[int], list[tuple[int, str]], list[tuple[object, ...]]]:
        """Publish what is new; return the deliveries it recomputed, the bodies at hand and their links."""
        assert pipeline.run() is not None
        touched, bodies, links = (
            fetch_all(connection, f"select {columns} from {relation} order by {columns}")
            for relation, columns in (
                ("intermediate.int_deliveries__touched", "delivery_id"),
                ("staging.stg_delivery_data__contents", "delivery_id, content_part"),
                ("staging.stg_delivery_data__content_links", "delivery_id, content_part, source_url, link_count"),
            )
        )
        connection.rollback()
        return [delivery_id for (delivery_id,) in touched], bodies, links

    contents = landing.folder / "contents"
    contents.mkdir(parents=True)
    landing.describe(deliveries=[f"{number},DM,D,,0,95,false,false,,,1,0,1,0,0,2026-01-01,," for number in (6, 7)])
    (contents / "5.html").write_text("<a href=1>1</a><a href=1>2</a>")
    assert published() == ([5, 6, 7], [(5, "html")], [(5, "html", "1", 2)])

    (contents / "5.html").write_text("nothing")
    (contents / "6.txt").write_text("https://a.example/")
    assert published() == ([5, 6], [(5, "html"), (6, "text")], [(6, "text", "https://a.example/", 1)])

    # A build sees the loads up to its position and none that come while it goes on.
    (contents / "6.txt").write_text("https://b.example/ https://c.example/")
    pipeline.load()
    assert fetch_all(connection, "select source_url from staging.stg_delivery_data__content_links") == [
        ("https://a.example/",)
    ]
