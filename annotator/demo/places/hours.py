"""Opening hours in OpenStreetMap's syntax, in the styles of different trades."""

from annotator.demo.stream import Stream

_STYLES: dict[str, tuple[str, ...]] = {
    "always": ("24/7",),
    "daylight": ("sunrise-sunset", "sunrise-sunset", "08:00-sunset", "Apr-Sep 07:00-21:00; Oct-Mar 08:00-17:30"),
    "shop": (
        "Mo-Fr {o}-18:30; Sa {o}-18:00; PH off",
        "Mo-Sa {o}-19:00; PH off",
        "Tu-Fr {o}-18:30; Sa {o}-17:00",
        "Mo 13:00-18:30; Tu-Sa {o}-18:30; Su,PH off",
        "Mo-We,Fr {o}-18:00; Th {o}-20:00; Sa {o}-17:00; PH off",
    ),
    "lunch_shop": (
        "Mo-Fr {o}-12:30,14:00-18:30; Sa {o}-13:00; PH off",
        "Tu-Fr {o}-12:30,14:30-19:00; Sa {o}-12:30,14:30-18:00",
        "Mo-Sa {o}-12:00,14:00-18:00; We 14:00-18:00 off; PH off",
    ),
    "late_shop": ("Mo-Th 11:00-20:00; Fr,Sa 11:00-22:00", "Tu-Sa 10:30-13:00,15:30-20:30; Su 10:30-12:30; PH off"),
    "morning": ("Tu-Sa 07:00-13:00", "Mo-Fr 07:00-12:30; Sa 07:00-11:00; PH off", "Mo-Sa 07:30-13:30; PH off"),
    "bakery": (
        "Mo-Sa 06:30-19:00; Su 07:00-12:30",
        "Tu-Sa 06:30-13:00,15:00-19:00; Su 07:00-12:30; PH 07:00-12:00",
        "Mo-Fr 06:00-18:00; Sa 06:30-13:00; Su 08:00-11:00",
        "We-Mo 06:45-13:15,15:30-19:15",
    ),
    "supermarket": (
        "Mo-Sa 08:00-20:00; Su 09:00-13:00; PH off",
        "Mo-Sa 07:00-21:00; PH off",
        "Mo-Sa 08:30-20:30; Su 09:00-12:30",
        "Mo-Fr 08:00-21:00; Sa 08:00-20:00; Su,PH 10:00-18:00",
    ),
    "department": ("Mo-Sa 09:30-20:00; PH off", "Mo-Fr 10:00-20:00; Sa 09:30-20:00; Dec Su[1] 13:00-18:00; PH off"),
    "depot": ("Mo-Fr 07:30-19:00; Sa 08:00-18:00; PH off", "Mar-Oct: Mo-Sa 09:00-19:00; Nov-Feb: Mo-Sa 09:00-17:30"),
    "convenience": ("Mo-Su 07:00-23:00", "Mo-Sa 07:30-22:00; Su 09:00-21:00", "Mo-Th 08:00-00:00; Fr-Su 08:00-02:00"),
    "news": ("Mo-Fr 06:00-19:00; Sa 06:30-18:00; Su 07:30-12:30", "Mo-Sa 06:30-19:30; Su,PH 08:00-13:00"),
    "florist": ("Tu-Sa 09:00-19:00; Su,PH 09:30-12:30", "Mo-Sa 08:30-12:30,14:30-19:00; Su 09:00-12:00"),
    "hair": (
        "Tu-Fr {o}-18:30; Sa 08:30-16:00",
        "Tu,We,Fr {o}-19:00; Th {o}-21:00; Sa 09:00-17:00; PH off",
        "Mo-Sa {o}-19:00",
    ),
    "restaurant": (
        "Tu-Su 12:00-14:30,18:30-22:30",
        "We-Mo 12:00-14:00,19:00-22:00",
        "Mo-Sa 11:30-14:30,18:00-23:00; Su 11:30-15:00",
        "Tu-Sa 18:00-23:30; PH off",
        "Mo-Su 11:00-23:00",
        "Th-Mo 12:00-14:30,18:30-22:00; Jul-Aug Mo-Su 12:00-23:00",
        "Mo-Fr 11:45-14:15; Fr,Sa 18:30-00:30",
    ),
    "cafe": (
        "Mo-Fr 07:30-18:00; Sa,Su 09:00-18:00",
        "Tu-Su 08:30-19:00",
        "Mo-Sa 08:00-18:30; PH off",
        "Mo-Su 09:00-20:00; Nov-Mar Mo off",
        "We-Su 09:30-17:30",
    ),
    "bar": (
        "Mo-Th 17:00-00:00; Fr,Sa 17:00-02:00; Su off",
        "Tu-Su 18:00-01:00",
        "We-Sa 19:00-03:00",
        "Mo-Su 11:00-00:00; Fr,Sa 11:00-02:00",
        "Tu-Th 16:00-23:30; Fr,Sa 16:00-01:30; Su 15:00-22:00",
    ),
    "club": ("Fr,Sa,PH -1 day 23:00-05:00", "Th-Sa 22:00-04:30"),
    "garden": ("Apr-Oct: Mo-Fr 15:00-23:00; Apr-Oct: Sa,Su,PH 11:00-23:00",),
    "fast": (
        "Mo-Su 11:00-23:00",
        "Mo-Th 11:00-22:30; Fr,Sa 11:00-03:00; Su 16:00-22:30",
        "Tu-Su 11:30-14:00,17:30-22:00",
    ),
    "summer": ("May-Sep: Mo-Su 11:00-21:00", "Apr-Jun,Sep: Sa,Su,PH 12:00-19:00; Jul-Aug: Mo-Su 11:00-22:00"),
    "tourist": (
        "Apr-Oct: Mo-Su 09:30-18:30; Nov-Mar: Tu-Sa 10:00-17:00",
        "Mo-Sa 10:00-18:00; Jul-Aug Su 10:00-18:00",
        "Mo-Su 09:00-19:00; Nov-Mar Mo-Su 10:00-16:30; Dec 25,Jan 01 off",
    ),
    "museum": (
        "Tu-Su 10:00-18:00; Th 10:00-21:00; Jan 01,May 01,Dec 25 off",
        "We-Mo 10:00-12:30,14:00-18:00",
        "Apr-Sep: Tu-Su 10:00-18:00; Oct-Mar: Sa,Su 13:00-17:00",
        "Tu-Fr 09:00-17:00; Sa,Su 11:00-18:00; PH 11:00-17:00",
    ),
    "visit": ("Apr-Oct: Tu-Su 10:00-17:00", "Jun-Sep: Mo-Su 10:00-18:00; Oct-May: Sa[1] 14:00-16:00"),
    "gallery": ("We-Sa 14:00-19:00", "Th-Su 11:00-18:00; PH off"),
    "cinema": ("Mo-Fr 16:30-23:30; Sa,Su,PH 13:30-00:30", "Mo-Su 14:00-00:00"),
    "casino": ("Mo-Th 15:00-02:00; Fr-Su 14:00-04:00; Dec 24 off",),
    "box_office": ('Tu-Sa 13:00-18:30; Jul 15-Aug 31 off "summer break"',),
    "library": (
        "Tu,Th,Fr 10:00-18:00; We 10:00-20:00; Sa 10:00-15:00; PH off",
        "Mo-Fr 13:00-18:30; Sa 10:00-13:00; PH off",
    ),
    "post": ("Mo-Fr 08:30-12:30,13:30-18:00; Sa 09:00-12:00; PH off", "Mo-Fr 09:00-17:00; PH off"),
    "bank": ("Mo-Fr 09:00-12:30,13:30-16:30; PH off", "Mo-We,Fr 09:00-16:00; Th 09:00-18:00; PH off"),
    "office": ("Mo-Fr 08:30-12:00,13:30-16:30; PH off", "Mo-Th 09:00-17:00; Fr 09:00-15:00; PH off"),
    "office_shop": ("Mo-Fr 09:00-18:00; Sa 10:00-13:00; PH off", "Mo-Fr 09:30-12:30,14:00-18:30; Sa 09:30-12:30"),
    "appointment": (
        'Mo-Fr 09:00-17:00 "by appointment"; PH off',
        "Mo-Th 09:00-12:00,14:00-17:30; PH off",
        "Tu-Sa 14:00-18:00",
    ),
    "evening": ("Mo-Fr 15:00-20:00; PH,SH off", "Mo-Fr 16:00-20:30; Sa 10:00-14:00; PH off"),
    "workshop": (
        "Mo-Fr 07:30-17:00; PH off",
        "Mo-Th 07:00-12:00,13:00-17:00; Fr 07:00-12:00",
        "Mo-Fr 08:00-18:00; Sa 09:00-12:00",
    ),
    "pharmacy": (
        "Mo-Fr 08:30-12:30,14:00-19:00; Sa 09:00-12:30; PH off",
        "Mo-Fr 08:30-19:30; Sa 09:00-18:00; Su,PH off",
        "Mo-Sa 09:00-20:00; Su 10:00-13:00",
        "Mo-Fr 08:00-18:30; Sa 08:30-13:00; PH off",
    ),
    "clinic": ("Mo-Fr 07:30-20:00; Sa 08:00-14:00; PH off",),
    "doctor": (
        "Mo-Th 08:00-12:00,14:00-17:30; Fr 08:00-12:00; PH off",
        "Mo,Tu,Th 08:30-12:00,15:00-18:00; We,Fr 08:30-12:30; PH off",
        "Mo-Fr 09:00-12:30,14:00-18:00; Aug 01-Aug 21 off; PH off",
    ),
    "term": ("Mo-Fr 08:00-16:00; PH,SH off", "Mo-Fr 08:15-15:45; PH,SH off"),
    "nursery": ("Mo-Fr 07:30-17:30; PH off", "Mo-Fr 07:00-17:00; Aug 01-Aug 20 off; PH off"),
    "community": ("Mo-Fr 14:00-21:00; Sa 10:00-18:00", "Tu-Sa 10:00-22:00; PH off"),
    "worship": ("Mo-Su 09:00-18:00", "Su 09:30-12:00; We 18:00-19:30", "Tu-Sa 10:00-17:00; Su 12:00-17:00"),
    "gym": ("Mo-Fr 06:00-23:00; Sa,Su 08:00-21:00", "24/7", "Mo-Fr 07:00-22:00; Sa,Su,PH 09:00-18:00"),
    "sports": ("Mo-Fr 08:00-22:00; Sa,Su 09:00-20:00", "Mo-Su 08:00-21:30; PH off"),
    "pool": ("Mo,We,Fr 06:30-20:00; Tu,Th 12:00-20:00; Sa,Su 09:00-18:00; Jul 20-Aug 10 off",),
    "market": ("We,Sa 07:00-13:00",),
    "fish_market": ("Tu-Sa 06:00-12:00; Jun-Sep Su 07:00-11:00",),
    "fuel": ("24/7", "Mo-Su 06:00-22:00", "Mo-Sa 06:30-21:30; Su,PH 08:00-20:00"),
    "wash": ("Mo-Sa 08:00-20:00; PH off",),
    "laundry": ("Mo-Su 07:00-22:00", "Mo-Sa 06:00-23:00; Su 08:00-20:00"),
    "reception": ("24/7", "Mo-Su 07:00-22:00", "24/7"),
    "ticket": ("Mo-Fr 06:15-19:30; Sa,Su,PH 08:00-18:00",),
    "ferry": ("Apr-Oct: Mo-Su 08:00-20:00; Nov-Mar: Mo-Su 09:00-17:00",),
    "toilets": ("24/7", "sunrise-sunset", "Mo-Su 08:00-20:00"),
}

STYLES = tuple(_STYLES)
"""Every style."""


def hours(style: str, stream: Stream) -> str:
    """Opening hours in a style; shops of one style open at slightly different times."""
    opening = stream.pick(("08:30", "09:00", "09:00", "09:30", "10:00"))
    return stream.pick(_STYLES[style]).replace("{o}", opening)
