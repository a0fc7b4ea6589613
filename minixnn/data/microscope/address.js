// What is seen, as an address that can be kept and sent: #net=cnn&rules=epsilon&target=3&x=7&look=5.12
// x is the number of a picture on the page, or two hexadecimal digits a pixel; rules those of a composite, or a list.

const same = (one, other) => one.every((v, p) => v === other[p]);

export function addressOf({ x, target, kind, path, rules }, net, composite, data, image) {
    const [low, high] = data.bounds, n = data.images.labels.findIndex((_, n) => same(image(n), x));
    const hex = () => [...x].map(v => Math.round(255 * Math.min(Math.max((v - low) / (high - low), 0), 1))
        .toString(16).padStart(2, "0")).join("");
    const parts = { net, rules: composite || JSON.stringify(rules), target, kind, x: n < 0 ? hex() : n,
        look: path.map(({ column, k }) => `${column}.${k}`).join("~") };
    return `#${new URLSearchParams(Object.entries(parts).filter(([, value]) => value !== null && value !== ""))}`;
}

// The parts of an address that mean something here; what does not is left out.
export function readAddress(hash, data, image, pixels) {
    const parts = new URLSearchParams(hash.slice(1)), [low, high] = data.bounds, found = { path: [] };
    const whole = text => /^\d+$/.test(text ?? "") ? +text : undefined;
    if (parts.get("net") in data.networks) found.net = parts.get("net");
    const composites = data.networks[found.net ?? Object.keys(data.networks)[0]].composites;
    if (Object.hasOwn(composites, parts.get("rules"))) found.rules = parts.get("rules");
    else if (parts.has("rules")) found.own = listOfRules(parts.get("rules"), data);
    if (["relevance", "activation"].includes(parts.get("kind"))) found.kind = parts.get("kind");
    found.target = whole(parts.get("target"));
    const x = parts.get("x") ?? "", n = whole(x);
    if (n < data.images.labels.length) found.x = image(n);
    else if (x.length === 2 * pixels && /^[0-9a-f]+$/.test(x))
        found.x = Float64Array.from(x.match(/../g), two => low + parseInt(two, 16) / 255 * (high - low));
    for (const [, column, k] of (parts.get("look") ?? "").matchAll(/(\d+)\.(\d+)/g))
        found.path.push({ column: +column, k: +k });
    return found;
}

function listOfRules(text, data) {
    const known = [...Object.keys(data.rules), "winner_takes_all", "pass_on"];
    try {
        const rules = JSON.parse(text);
        return rules.every(({ rule, knobs }) => known.includes(rule) && Object.values(knobs).every(Number.isFinite))
            ? rules : undefined;
    } catch {
        return undefined;
    }
}
