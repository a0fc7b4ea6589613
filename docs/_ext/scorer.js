/* How Sphinx's search ranks what it found: pages that answer questions first, accounts of the ledger, changes and
   source last. */
const FIRST = ["faq", "rules", "which_method", "glossary", "course", "command_line"];
const LAST = ["api/ledger", "api/checks", "changelog", "_modules"];
var Scorer = {
  score: ([page, title, anchor, description, score]) =>
    score + (FIRST.includes(page) ? 6 : page.startsWith("lessons/") ? 3 : 0)
    - (LAST.some(name => page.startsWith(name)) ? 8 : 0),
  objNameMatch: 11, objPartialMatch: 6,
  objPrio: {0: 15, 1: 5, 2: -5}, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
};
