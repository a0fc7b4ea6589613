// Maps as small pictures, in the colours of the style sheet: those differ on a dark page.

// Palettes of 257 colours, so that zero has its own, between the stops that the style sheet names, from the lowest
// value to the highest; a colour is one number, red in its lowest byte. And the colour of a frame.
export function colours() {
    const style = getComputedStyle(document.documentElement);
    const palette = name => {
        const stops = style.getPropertyValue(name).match(/\w{6}/g)
            .map(text => text.match(/../g).map(two => parseInt(two, 16)));
        return Uint32Array.from({ length: 257 }, (_, n) => {
            const place = n / 256 * (stops.length - 1), i = Math.min(Math.floor(place), stops.length - 2);
            const [red, green, blue] = stops[i].map((low, c) => low + (place - i) * (stops[i + 1][c] - low));
            return (255 << 24 | blue << 16 | green << 8 | red) >>> 0;
        });
    };
    return { relevance: palette("--relevance"), activation: palette("--ink"), mark: style.getPropertyValue("--mark") };
}

// Draw channel `c` of values (H, W, C) over the whole canvas. `kind` is "relevance", from -scale to scale, or
// "activation", from 0 to scale. Neurons `chosen`, if they are in this channel, are framed, the first more than others.
export function draw(canvas, [H, W, C], values, c, kind, scale, look, chosen = []) {
    const small = new OffscreenCanvas(W, H), paper = small.getContext("2d"), image = paper.createImageData(W, H);
    const pixels = new Uint32Array(image.data.buffer), unit = 256 / (scale || 1);
    for (let p = 0; p < H * W; p++) {
        const v = values[p * C + c] * unit, place = kind === "relevance" ? (v + 256) / 2 : v;
        pixels[p] = look[kind][Math.min(Math.max(Math.round(place), 0), 256)];
    }
    paper.putImageData(image, 0, 0);
    const ink = canvas.getContext("2d"), across = canvas.width / W, down = canvas.height / H;
    Object.assign(ink, { imageSmoothingEnabled: false, strokeStyle: look.mark });
    ink.drawImage(small, 0, 0, canvas.width, canvas.height);
    chosen.forEach((k, n) => {
        if (k % C !== c) return;
        const [row, column] = placeOf(k, [H, W, C]);
        ink.lineWidth = n ? 1 : 2;
        ink.strokeRect(column * across, row * down, across, down);
    });
}

// [row, column] of neuron k of maps (H, W, C); and the neuron of channel c under the pointer.
export const placeOf = (k, [, W, C]) => [Math.floor(k / C / W), Math.floor(k / C) % W];
export function neuronAt(event, canvas, [H, W, C], c) {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const inside = (v, n) => Math.min(Math.max(Math.floor(v * n), 0), n - 1);
    return (inside((event.clientY - top) / height, H) * W + inside((event.clientX - left) / width, W)) * C + c;
}

// The channels by the sum of their absolute values, strongest first: [{ c, total, peak }], peak its largest neuron.
export function strongest(values, C) {
    const channels = Array.from({ length: C }, (_, c) => ({ c, total: 0, strength: 0, peak: c }));
    values.forEach((v, k) => {
        const channel = channels[k % C];
        channel.total += v;
        channel.strength += Math.abs(v);
        if (Math.abs(v) > Math.abs(values[channel.peak])) channel.peak = k;
    });
    return channels.sort((one, two) => two.strength - one.strength);
}
