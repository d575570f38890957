"""Networks that machines act from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    """Ranges of addresses that one operator sends requests from."""

    name: str
    ranges: tuple[str, ...]


GOOGLE = Network("google", ("66.249.80.0/20", "74.125.208.0/21", "66.102.0.0/20"))
YAHOO = Network("yahoo", ("69.147.64.0/19", "98.137.32.0/19", "87.248.112.0/21"))
OUTLOOK = Network("outlook", ("40.96.0.0/13", "52.96.0.0/14"))
RELAY = Network(
    "relay",
    ("104.28.32.0/20", "172.224.224.0/19", "172.225.0.0/18", "146.75.128.0/18", "2a02:26f7::/40", "2a09:bac2::/40"),
)
"""Where Apple's Private Relay and Mail Privacy Protection leave its network."""

PROOFPOINT = Network("proofpoint", ("67.231.144.0/20", "148.163.128.0/19", "205.220.160.0/20"))
MIMECAST = Network("mimecast", ("205.139.110.0/24", "207.211.30.0/24", "216.205.24.0/24", "91.220.42.0/24"))
BARRACUDA = Network("barracuda", ("64.235.144.0/20", "209.222.80.0/21"))
MICROSOFT = Network("microsoft", ("40.92.0.0/15", "40.107.0.0/16", "52.100.0.0/14", "104.47.0.0/17"))
# What is rented from a cloud is on nobody's list of gateways.
AMAZON = Network("amazon", ("18.184.0.0/15", "52.28.0.0/16"))
GOOGLE_CLOUD = Network("google_cloud", ("34.89.0.0/16", "35.198.64.0/18"))
DROPLETS = Network("droplets", ("159.89.0.0/19", "167.172.160.0/20"))

CISCO = Network("cisco", ("68.232.128.0/19", "207.54.64.0/19"))
TREND_MICRO = Network("trend_micro", ("150.70.0.0/16", "216.104.0.0/19"))
AZURE = Network("azure", ("20.72.0.0/16", "13.66.0.0/17"))
VIRGINIA = Network("virginia", ("3.208.0.0/12", "34.192.0.0/12"))
COGENT = Network("cogent", ("38.96.0.0/13", "154.48.0.0/14"))

NETWORKS = [
    GOOGLE,
    YAHOO,
    OUTLOOK,
    RELAY,
    PROOFPOINT,
    MIMECAST,
    BARRACUDA,
    MICROSOFT,
    AMAZON,
    GOOGLE_CLOUD,
    DROPLETS,
    CISCO,
    TREND_MICRO,
    AZURE,
    VIRGINIA,
    COGENT,
]
