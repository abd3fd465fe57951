"""Cells that spreadsheets would run as formulas: made harmless by an apostrophe, and made whole again."""

_RISKY = ("=", "+", "-", "@", "\t", "\r", "'")


def defused(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; `restored` is its inverse."""
    return f"'{cell}" if cell.startswith(_RISKY) else cell


def restored(cell: str) -> str:
    """The cell as it was before `defused`."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_RISKY) else cell
