// How the search ranks pages that match a word equally well: what a user does stands before the
// reference, and both before what a developer reads. The other numbers are those of Sphinx.
const LAST = ["understand/changelog", "understand/contributing", "design", "dependencies"];
const BEFORE = { start: 3, do: 3, learn: 2, api: 0, gallery: 0, understand: 0 };

var Scorer = {
  score: ([page, , , , score]) => {
    const folder = page.split("/")[0];
    return score + (LAST.includes(page) ? -2 : (BEFORE[folder] ?? 1));
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
