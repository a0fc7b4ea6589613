"""The form of a file of vectors, as a JSON Schema, and a check of a file against it that needs nothing installed.

    python -m tests.vectors.schema

checks every file. `schema.json` is for the validators of other languages.
"""
import json
import pathlib

HERE = pathlib.Path(__file__).parent
SCHEMA = json.loads((HERE / "schema.json").read_text())
VERSION = SCHEMA["properties"]["schema"]["enum"][0]
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def check(value, rule=SCHEMA, where="file"):
    """ValueError, which says where, unless `value` has the form of `rule`, one level of the schema."""
    kinds = rule.get("type", [])
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        if isinstance(value, (int, float)) and not isinstance(value, bool) if kind == "number" else \
                isinstance(value, TYPES[kind]):
            break
    else:
        if kinds:
            raise ValueError(f"{where} is {str(value)[:60]!r}, expected {kinds}")
    if "enum" in rule and value not in rule["enum"]:
        raise ValueError(f"{where} is {value!r}, expected one of {rule['enum']}")
    if isinstance(value, dict):
        missing = [name for name in rule.get("required", []) if name not in value]
        if missing:
            raise ValueError(f"{where} lacks {', '.join(missing)}")
        known, more = rule.get("properties", {}), rule.get("additionalProperties", True)
        for name, part in value.items():
            if name not in known and more is False:
                raise ValueError(f"{where} has {name!r}, which the schema does not know")
            check(part, known.get(name, more if isinstance(more, dict) else {}), f"{where}.{name}")
    if isinstance(value, list):
        if len(value) < rule.get("minItems", 0):
            raise ValueError(f"{where} is empty")
        for i, part in enumerate(value):
            check(part, rule.get("items", {}), f"{where}[{i}]")


def files():
    return sorted(path for path in HERE.glob("*.json") if path.name != "schema.json")


def main():
    seen = set()
    for path in files():
        content = json.loads(path.read_text())
        check(content, where=path.name)
        ids = [test["id"] for group in content["groups"] for test in group["tests"]]
        if len({*ids} | seen) != len(ids) + len(seen):
            raise ValueError(f"{path.name} has an id twice")
        seen |= {*ids}
    print(f"{len(seen)} vectors in {len(files())} files have the form of schema.json")


if __name__ == "__main__":
    main()
