"""The part of docs/gpu.md that says what a device computed, written from the record."""

NOT_YET = "not yet run on a device"
BEGIN, END = "<!-- from gpu.json: begin -->", "<!-- from gpu.json: end -->"


def tables(record):
    """The markdown that docs/gpu.md shows of `record`, the content of gpu.json, or of None."""
    if record is None:
        return f"The table: {NOT_YET}."
    device = record["device"]
    lines = [f"{record['date']}, {device['card']}; " + ", ".join(
        f"{name} {value}" for name, value in device.items() if name != "card") + ".", ""]
    if record["sections"]:
        lines += ["| section | cases | failed | left out | float64 off by | float32 off by | seconds |",
                  "|---|---|---|---|---|---|---|"]
    for each in record["sections"]:
        largest = [f"{each['largest'][dtype]:.0e}" if dtype in each["largest"] else "-"
                   for dtype in ("float64", "float32")]
        lines.append(f"| {each['name']} | {each['cases']} | {len(each['failed'])} | {each['left_out']} | "
                     f"{' | '.join(largest)} | {each['seconds']:.0f} |")
    lines += ["", *(f"- failed: {failed['case']}: {failed['what']}" for each in record["sections"]
                    for failed in each["failed"]), *(f"- failed: {error}" for error in record.get("errors", []))]
    if "waits" in record:
        lines += ["", "| waits for the device | by the stand-in | by the device |", "|---|---|---|"]
        lines += [f"| {row['case']} | {row['stand-in']} | {row['device']} |" for row in record["waits"]]
    if "memory" in record:
        lines += ["", "| peak memory | MiB | of all activations |", "|---|---|---|"]
        lines += [f"| {row['case']} | {row['peak'] / 2 ** 20:.1f} | {row['peak'] / row['activations']:.2f} |"
                  for row in record["memory"]]
    if "speed" in record:
        lines += ["", "| work | pass | NumPy, ms | device, ms | NumPy / device | torch, ms | device / torch | off by |",
                  "|---|---|---|---|---|---|---|---|"]
    for row in record.get("speed", []):
        torch = row.get("torch_ms")
        lines.append(f"| {row['work']} | {row['pass']} | {row['numpy_ms']:.1f} | {row['device_ms']:.1f} "
                     f"| {row['numpy_ms'] / row['device_ms']:.1f} "
                     + (f"| {torch:.1f} | {row['device_ms'] / torch:.2f} " if torch else "| | ")
                     + f"| {row['difference']:.0e} |")
    return "\n".join(lines).replace("\n\n\n", "\n\n")


def written(page, record):
    """`page` with the tables of `record` between its two marks."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{tables(record)}\n{END}{rest.split(END)[1]}"


def write(file, record):
    file.write_text(written(file.read_text(), record))
