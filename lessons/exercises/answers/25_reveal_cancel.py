"""The model answer of reveal_cancel, lesson 2.5."""


def reveal_cancel(x_ref, d_pos, d_neg):
    start, up, down, end = (v.clip(0) for v in (x_ref, x_ref + d_pos, x_ref + d_neg, x_ref + d_pos + d_neg))
    return ((up - start) + (end - down)) / 2, ((down - start) + (end - up)) / 2
