import type { PanelQuery } from './define.ts';

/** A name, then the value of each label that the series are kept apart by. */
const legendOf = (by: string, name: string): string =>
  [name, ...by.split(', ').map((label) => label && `{{${label}}}`)].filter(Boolean).join(' ');

/** One series for each combination of labels; without labels the name is the whole legend. */
export const folded = (fold: 'sum' | 'max' | 'min', value: string, by = '', name = ''): PanelQuery => ({
  expr: `${fold}${by && ` by (${by}) `}(${value})`,
  legend: legendOf(by, name),
});

export const perSecond = (counter: string, by?: string, name?: string): PanelQuery =>
  folded('sum', `rate(${counter}[$__rate_interval])`, by, name);

/** How often a counter rose within a time such as `1h`. */
export const within = (time: string, counter: string, by?: string, name?: string): PanelQuery =>
  folded('sum', `increase(${counter}[${time}])`, by, name);

/** A percentile of a histogram, whose matchers may follow its name. */
export const percentile = (share: number, histogram: string, by = '', name = `p${share * 100}`): PanelQuery => ({
  expr: `histogram_quantile(${share}, ${perSecond(histogram.replace(/(?=\{|$)/, '_bucket'), by ? `le, ${by}` : 'le').expr})`,
  legend: legendOf(by, name),
});

/** How much of one counter's rise another one makes up. */
export const quotient = (part: string, whole: string, legend: string, by?: string): PanelQuery => ({
  expr: `${perSecond(part, by).expr} / ${perSecond(whole, by).expr}`,
  legend,
});
