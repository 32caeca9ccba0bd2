import { parser } from '@prometheus-io/lezer-promql';

/** One series selector of a query. */
export type Selector = {
  metric: string;
  matchers: { label: string; operator: '=' | '!=' | '=~' | '!~'; value: string }[];
};

export type PromQuery = {
  selectors: Selector[];
  /** Labels named by `by`, `without`, `on`, `ignoring` and `group_left`. */
  groupings: string[];
  /** Where the text is not PromQL. */
  errors: string[];
};

/** Reads PromQL by Prometheus's own grammar; Grafana's `$__rate_interval` counts as a duration. */
export function readPromQuery(text: string): PromQuery {
  const expr = text.replaceAll('$__rate_interval', '5m');
  const query: PromQuery = { selectors: [], groupings: [], errors: [] };
  let grouping = false;
  parser.parse(expr).iterate({
    enter(node) {
      const own = expr.slice(node.from, node.to);
      if (node.type.isError) query.errors.push(`${expr.slice(0, node.from)}⟪${own}⟫${expr.slice(node.to)}`);
      if (node.name === 'GroupingLabels') grouping = true;
      if (node.name === 'LabelName' && grouping) query.groupings.push(own);
      if (node.name === 'Identifier') query.selectors.push({ metric: own, matchers: [] });
      if (node.name === 'UnquotedLabelMatcher') {
        const [, label, operator, value] = /^(\w+)\s*(=~|!~|!=|=)\s*(".*"|'.*')$/s.exec(own) ?? [];
        const selector = query.selectors.at(-1);
        if (selector === undefined || label === undefined || value === undefined) query.errors.push(own);
        else {
          const operatorRead = operator as Selector['matchers'][number]['operator'];
          selector.matchers.push({ label, operator: operatorRead, value: value.slice(1, -1) });
        }
      }
    },
    leave(node) {
      if (node.name === 'GroupingLabels') grouping = false;
    },
  });
  return query;
}
