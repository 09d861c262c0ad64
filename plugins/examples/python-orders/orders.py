"""An exporter of business figures: asks a shop's API for its counters and hands them on as metrics.

The API answers a JSON object such as {"orders": {"paid": 12, "cancelled": 1}, "revenue": 310000, "signups": 7}.
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import about, exporter
from wit_world.imports import http, types

SCHEMA = """{
  "type": "object",
  "required": ["url"],
  "additionalProperties": false,
  "properties": {
    "url": {"type": "string", "x-skopos": "grant-http", "description": "Where the shop answers its figures as JSON."},
    "shop": {"type": "string", "default": "main", "description": "Value of the label shop."}
  }
}"""


class About(exports.About):
    def describe(self) -> about.Description:
        return about.Description("Orders, revenue and sign-ups of a shop.", SCHEMA, None)


class Exporter(exports.Exporter):
    def collect(self, config: str, target: str) -> exporter.Exposition:
        settings = json.loads(config)
        figures = fetch_json(settings["url"])
        shop = ("shop", settings.get("shop", "main"))
        try:
            orders = [sample([shop, ("status", str(status))], number) for status, number in sorted(figures["orders"].items())]
            revenue = [sample([shop], figures["revenue"])]
            signups = [sample([shop], figures["signups"])]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Err(types.Error_Unavailable(f"{settings['url']} answered JSON of another form: {error!r}"))
        return exporter.Exposition_Families(
            [
                family("shop_orders_total", "Orders since the shop began, by status.", exporter.Samples_Counter(orders)),
                family("shop_revenue_total", "What was paid, in the shop's currency.", exporter.Samples_Counter(revenue)),
                family("shop_signups_total", "People who signed up.", exporter.Samples_Counter(signups)),
            ]
        )


def fetch_json(url: str) -> dict:
    request = http.Request(
        method="GET",
        url=url,
        headers=[("accept", "application/json")],
        body=b"",
        timeout_ms=None,
        max_redirects=None,
        max_body=None,
        unix_socket=None,
        client=None,
        ip_version=None,
        new_connection=False,
    )
    try:
        response = http.fetch(request)
    except Err as error:
        # The error's text names the grant to add, the host that did not resolve, and so on.
        raise Err(types.Error_Unavailable(f"{url}: {error.value}"))
    if response.status != 200:
        raise Err(types.Error_Unavailable(f"{url} answered {response.status}"))
    try:
        figures = json.loads(response.body)
    except ValueError as error:
        raise Err(types.Error_Unavailable(f"{url} did not answer JSON: {error}"))
    if not isinstance(figures, dict):
        raise Err(types.Error_Unavailable(f"{url} answered JSON, but no object"))
    return figures


def sample(labels: list, value) -> exporter.Sample:
    return exporter.Sample(labels, float(value), None)


def family(name: str, help: str, samples) -> exporter.MetricFamily:
    return exporter.MetricFamily(name, help, "", samples)
