"""What each operation becomes. Each function takes the Builder and what the operation is given, in torch's order.

That is a Traced value, or arrays and numbers of NumPy where nothing depends on the input. It puts layers down and
returns a Traced value. Shapes are the program's: (N, C, H, W). `table` says which names lead here.

values: what an operation may be given, and as what the layers take it
arithmetic: what works on one number each, or on two, broadcast against each other
moves: what takes numbers to other places: reshapes, repeats, cuts, joins and pads
norms: what looks along whole axes: reductions, softmax, normalisations
windows: what goes over an image by windows, or makes one of another size: convolution, pools, upsampling
products: what multiplies matrices: dense layers, attention, einsum
recurrent: what reads a sequence step by step: RNN, GRU, LSTM
whole: what reads or makes whole numbers and truth values: tables of rows, comparisons, choices
"""
