"""User agents that look like those of mail readers, most popular first."""

from itertools import product, zip_longest

_CHROME = [
    "131.0.0.0",
    "132.0.0.0",
    "133.0.0.0",
    "134.0.0.0",
    "135.0.0.0",
    "136.0.0.0",
    "137.0.0.0",
    "138.0.0.0",
    "139.0.0.0",
    "140.0.0.0",
    "141.0.0.0",
    "142.0.0.0",
    "143.0.0.0",
]
_DESKTOPS = ["Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64"]
_PHONES = ["SM-S928B", "SM-A546B", "SM-G991B", "Pixel 8", "Pixel 9 Pro", "2312DRA50G", "M2102J20SG", "CPH2581"]
_IOS = ["16_7_10", "17_6_1", "17_7", "18_0_1", "18_1_1", "18_2_1", "18_3_2", "18_4_1", "18_5", "18_6_2", "26_0", "26_1"]
_FIREFOX = ["115.0", "128.0", "140.0", "141.0", "142.0", "143.0", "144.0", "145.0"]
_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"

_SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko)"

_FAMILIES = [
    [
        f"Mozilla/5.0 ({device} {version} like Mac OS X) {_SAFARI} "
        f"Version/{version.split('_')[0]}.0 Mobile/15E148 Safari/604.1"
        for version, device in product(_IOS, ["iPhone; CPU iPhone OS", "iPad; CPU OS"])
    ],
    [
        f"Mozilla/5.0 ({desktop}) {_WEBKIT} Chrome/{version} Safari/537.36"
        for version, desktop in product(_CHROME, _DESKTOPS)
    ],
    [
        f"Mozilla/5.0 (Linux; Android {android}; {phone}) {_WEBKIT} Chrome/{chrome} Mobile Safari/537.36"
        for phone, android, chrome in product(_PHONES, ["13", "14", "15"], _CHROME[9:])
    ],
    [
        f"Mozilla/5.0 ({desktop}; rv:{version}) Gecko/20100101 Firefox/{version}"
        for version, desktop in product(_FIREFOX, ["Windows NT 10.0; Win64; x64", "X11; Ubuntu; Linux x86_64"])
    ],
    [
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/{version} Safari/537.36 Edg/{version}"
        for version in _CHROME
    ],
    [
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_SAFARI} Version/{version} Safari/605.1.15"
        for version in ["16.6", "17.6", "18.3", "18.5", "18.6", "26.0"]
    ],
    [
        "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17328; Pro)",
        "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/7.0; Microsoft Outlook 16.0.5056)",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Thunderbird/140.3.0",
        "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0; Nürnberg) like Gecko",
        "",
    ],
]

# Taken in turn from each family, so that the popular ones are of every kind.
READERS: list[str] = [agent for rank in zip_longest(*_FAMILIES) for agent in rank if agent is not None]

GOOGLE_PROXY = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
YAHOO_PROXY = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
APPLE_PREFETCH = "Mozilla/5.0"

BOTS: list[str] = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0.6778.85 Safari/537.36",
    "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/534+ (KHTML, like Gecko) BingPreview/1.0b",
    "Mozilla/5.0 (compatible; Google-Safety; +http://www.google.com/bot.html)",
    "Barracuda Sentinel (EE)",
    "SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com",
    "python-requests/2.32.3",
    "Go-http-client/2.0",
    "Apache-HttpClient/4.5.14 (Java/17.0.9)",
    "curl/8.7.1",
]
"""What machines that follow links call themselves."""

OTHER_BOTS: list[str] = [
    "python-requests/2.28.1",
    "okhttp/4.12.0",
    "Java/11.0.21",
    "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0)",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
]
"""The same of other machines; one of them pretends to be a browser that nobody has."""
OTHER_BROWSERS: list[str] = [
    f"Mozilla/5.0 ({desktop}) {_WEBKIT} Chrome/{version} Safari/537.36"
    for version, desktop in product(["97.0.4692.99", "109.0.0.0", "120.0.0.0"], _DESKTOPS)
]
"""Browsers of some years ago, which machines go on pretending to be."""

USER_AGENTS: list[str] = [*READERS, GOOGLE_PROXY, YAHOO_PROXY, APPLE_PREFETCH, *BOTS, *OTHER_BOTS, *OTHER_BROWSERS]

APPLE_PLACES = [place for place, agent in enumerate(READERS) if "(iP" in agent or "Version/" in agent]
"""Places in USER_AGENTS of Apple's browsers, most popular first."""
DESKTOP_BROWSERS = [agent for agent in READERS if "Windows NT 10.0" in agent and _WEBKIT in agent]
"""Ordinary browsers on desks: what scanners pretend to be."""
NO_AGENT_PLACE = READERS.index("")
