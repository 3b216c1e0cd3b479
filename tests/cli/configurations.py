"""Configuration files for the tests of the command line."""

from pathlib import Path

SECRET = "lsv2_pt_never_to_be_shown_4711"

GOOD = """
[sources.nemo-research]
vendor = "nemo"
base_url = "http://127.0.0.1:9"
workspace = "research"

[sources.langsmith]
vendor = "langsmith"
base_url = "http://127.0.0.1:9"
api_key = "env:LANGSMITH_API_KEY"

[sources.meibel]
vendor = "meibel"
base_url = "http://127.0.0.1:9/v2"
api_key = "env:MEIBEL_API_KEY"
"""


def written(folder: Path, text: str, name: str = "gateway.toml") -> Path:
    """Write a configuration file."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def over(nemo: str, langsmith: str, meibel: str, more: str = "") -> str:
    """The configuration over three vendors at these addresses, with keys in NEMO_KEY, SMITH_KEY and MEIBEL_KEY."""
    return f"""
[sources.nemo]
vendor = "nemo"
base_url = "{nemo}"

[sources.langsmith]
vendor = "langsmith"
base_url = "{langsmith}"
api_key = "env:SMITH_KEY"
api = "v1"

[sources.meibel]
vendor = "meibel"
base_url = "{meibel}/v2"
api_key = "env:MEIBEL_KEY"
{more}
"""
