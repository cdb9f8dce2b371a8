"""What the columns of a source hold, and how it becomes the text that a model reads."""

import json
from typing import Any

from launcher.errors import InvalidInput

Columns = dict[str, Any]
"""A row of a source: column name to text, or to whatever else JSON, Parquet or Arrow hold."""


def distinct(names: list[str], file: str) -> list[str]:
    """Column names, each once.

    Raises:
        InvalidInput: two columns have one name.
    """
    for name in names:
        if names.count(name) > 1:
            raise InvalidInput(f"{file}: two columns are named {name!r}; rename one of them ({', '.join(names)})")
    return names


def as_text(value: Any, numbers: bool) -> str:
    """Text as it is, nothing for null, and lists and objects as JSON writes them.

    Args:
        numbers: Whether numbers, true and false are welcome too, as JSON writes them.

    Raises:
        ValueError: the value is no text; the message goes on after `column 'x' holds`.
    """
    if value is None:
        return ""
    if isinstance(value, int | float) and not numbers:
        what = json.dumps(value) if isinstance(value, bool) else f"the number {json.dumps(value)}"
        raise ValueError(
            f"{what} where text is expected; name the column of text under data.fields, "
            "or say data.numbers_as_text: true"
        )
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        text.encode()
    except TypeError:
        raise ValueError(
            f"{type(value).__name__} values, which are no text; write them as text in the source"
        ) from None
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise ValueError(f"{half}, half a character that UTF-8 cannot write; mend or remove it") from None
    return text
