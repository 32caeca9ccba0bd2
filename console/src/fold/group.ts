import { type Item, type Operation, restOf } from './operation.ts';

/** The operations of one kind of thing: all under one part of the API. */
export type Group = {
  /** `clients` */
  readonly segment: string;
  readonly list: Operation;
  readonly detail: Operation | undefined;
  /** Parameters of the path that name one item. */
  readonly key: readonly string[];
  /** Writes that make a new one, and those on one item. */
  readonly creates: readonly Operation[];
  readonly acts: readonly Operation[];
  /** Lists and files of one item. */
  readonly lists: readonly Operation[];
  readonly files: readonly Operation[];
};

const isParam = (part: string): boolean => part.startsWith('{');

/** Parameters right after the segment. */
const leading = (operation: Operation): readonly string[] => {
  const rest = restOf(operation);
  const end = rest.findIndex((part) => !isParam(part));
  return rest.slice(0, end < 0 ? rest.length : end).map((part) => part.slice(1, -1));
};

/** Groups operations that have a list: each is a page, whether or not anybody has described it. */
export function groupOperations(operations: readonly Operation[]): readonly Group[] {
  const lists = operations.filter(
    (each) => each.method === 'GET' && restOf(each).length === 0 && each.answer?.list !== undefined,
  );
  return lists.map((list) => {
    const { segment } = list;
    const own = operations.filter((each) => each.segment === segment);
    const reads = own.filter((each) => each.method === 'GET' && each !== list);
    const writes = own.filter((each) => each.method !== 'GET');
    const acts = writes.filter((each) => leading(each).length > 0);
    const detail = reads.find((each) => each.answer !== undefined && restOf(each).length === leading(each).length);
    const keys = detail === undefined ? acts.map(leading).sort((a, b) => a.length - b.length) : [leading(detail)];
    const ofItem = reads.filter((each) => each !== detail && leading(each).length > 0);
    return {
      segment,
      list,
      detail,
      key: keys[0] ?? [],
      creates: writes.filter((each) => leading(each).length === 0),
      acts,
      lists: ofItem.filter(({ answer }) => answer?.list !== undefined),
      files: ofItem.filter(({ answer }) => answer === undefined),
    };
  });
}

/** Writes on a row of a list of one item: `DELETE …/consents/{client_id}` of `GET …/consents`. */
export const actsOfRows = ({ acts }: Group, { path }: Operation): readonly Operation[] =>
  acts.filter((act) => act.path.startsWith(`${path}/{`));

/** The value of a parameter of the path in an item: the member of that name, else what names the item. */
const keyValue = (param: string, item: Item): string => String(item[param] ?? item.id ?? item.name ?? '');
export const keyOf = ({ key }: Group, item: Item): Readonly<Record<string, string>> =>
  Object.fromEntries(key.map((param) => [param, keyValue(param, item)]));
/** `a/b` of the parameters that name an item, for an address. */
export const addressOf = (group: Group, item: Item): string =>
  Object.values(keyOf(group, item)).map(encodeURIComponent).join('/');
/** Whether each item has a page of its own: there is more to see or to change than its row has room for. */
export const hasPage = ({ detail, lists, acts }: Group, { page }: { readonly page?: true }): boolean =>
  page === true ||
  detail !== undefined ||
  lists.length > 0 ||
  acts.some((act) => ['PUT', 'PATCH'].includes(act.method));
