"""Numbers picked and put back by indices."""
import numpy as np

from minixnn import layers
from tests.helpers import close, draw


def test_windows_of_an_image_are_picked_and_put_back_by_indices():
    """im2col and col2im, of 3 x 3 pixels two apart."""
    place = np.arange(7 * 7 * 2).reshape(7, 7, 2)
    index = np.stack([place[i:i + 3, j:j + 3].ravel() for i in range(0, 5, 2) for j in range(0, 5, 2)])
    x = draw(2, 7, 7, 2)
    y = layers.Gather(index).forward(x)
    for n, (i, j) in enumerate((i, j) for i in range(0, 5, 2) for j in range(0, 5, 2)):
        close(y[:, n], x[:, i:i + 3, j:j + 3].reshape(2, -1))
    seen = layers.Scatter(index, (7, 7, 2)).forward(np.ones_like(y))
    assert seen[0, 2, 2, 0] == 4 and seen[0, 2, 1, 0] == 2 and seen[0, 0, 0, 0] == 1
