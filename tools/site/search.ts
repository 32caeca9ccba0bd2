/** A page as Rspress indexes it. */
type Page = { readonly normalizedTitle: string; readonly headers: string; readonly normalizedContent: string };

/**
 * Takes the place of flexsearch in the browser, whose index of every part of every word takes longer than 30 s to make
 * for our pages; to look at all of them takes milliseconds. Phrases come first, then pages that have all words.
 */
export class Document {
  readonly #pages: Page[] = [];
  readonly #isOfOtherLanguages: boolean;

  constructor({ encoder }: { readonly encoder: { readonly finalize?: unknown } }) {
    this.#isOfOtherLanguages = encoder.finalize !== undefined;
  }

  async addAsync(_path: string, page: Page): Promise<void> {
    if (!this.#isOfOtherLanguages) this.#pages.push(page);
  }

  async searchAsync(keyword: string, { limit }: { readonly limit: number }) {
    const phrase = keyword.toLowerCase().trim();
    const words = phrase.split(/\s+/);
    const rankOf = ({ normalizedTitle, headers, normalizedContent: content }: Page): number =>
      [normalizedTitle, headers, content].findIndex((text) => text.includes(phrase)) + 1 ||
      (words.every((word) => content.includes(word)) ? 4 : 0);
    const placesIn = ({ normalizedContent: content }: Page) => ({
      content: words.map((word) => ({ start: content.indexOf(word), length: word.length })),
    });
    const ranked = this.#pages.map((page) => ({ page, rank: rankOf(page) })).filter(({ rank }) => rank > 0);
    const found = ranked.sort((a, b) => a.rank - b.rank).slice(0, limit);
    return [{ result: found.map(({ page }) => ({ id: page, doc: { ...page, _matchesPosition: placesIn(page) } })) }];
  }
}
