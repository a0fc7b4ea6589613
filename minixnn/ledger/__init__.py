"""Where did my relevance go? A table with a line per layer that adds up.

    book = ledger(net, images, rules=composites.epsilon_plus)
    print(book)                         # the table, summed over the images
    print(book.image(3))                # the same for one image
    print(book.folded(1))               # a line for each "stage1", "stage2" of the layers' names
    plot.ledger(book)                   # the same as a figure

In each layer, what arrives from above is what is passed to the layer below and what is withheld:

    sum_k R_k  =  sum_j R_j  +  bias  +  stabiliser  +  lost  +  unexplained  +  residual

    bias          went to b_k, which is no input and passes nothing on
    stabiliser    went to the epsilon in a denominator
    lost          belonged to an output to which no input contributed, or whose contributions all cancelled
    unexplained   was withheld by a rule of your own, of which no more is known
    residual      is rounding: about 1e-16 of the relevance in float64. Anything larger is an error in a rule

Where layers share an input each is asked for its own share, and what they send to it has to add up to its R.

Each may be negative. Relevance was created then, as when alpha-beta finds no inhibiting input to take -beta R_k.
Bias, stabiliser and lost are computed by formulas of their own (`accounts.py`), not from what the rule returned:
that is what makes the residual a check.
"""
from minixnn.ledger.accounts import ACCOUNTS, Withheld, account_of, division
from minixnn.ledger.ledger import COLUMNS, Ledger, Row, audit, balance, ledger
from minixnn.ledger.table import table

__all__ = ["ACCOUNTS", "COLUMNS", "Ledger", "Row", "Withheld", "account_of", "audit", "balance", "division", "ledger",
           "table"]
