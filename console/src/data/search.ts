import { keepPreviousData, useQuery } from '@tanstack/preact-query';
import { useEffect, useState } from 'preact/hooks';
import { useWords } from '../fold/words.ts';
import { type Answer, call } from './api.ts';
import { visibleText } from './visible-text.ts';

/** A pause in typing: each search reads an index of all people. */
const PAUSE_MS = 200;
const SHORTEST = 2;

/** What may stand in an address: of a pasted API key what names it, and nothing of other credentials. */
export const withoutSecret = (text: string): string =>
  /^(?:sp_(?!ak_)|eyJ)/.test(text) ? '' : text.replace(/^(sp_ak_[\da-f]+)_.*/, '$1').slice(0, 128);

/** What the reader may see of which the text is a part, with what it is called. */
export function useSearch(text: string) {
  const words = useWords('kind');
  const asked = withoutSecret(text.trim());
  const [q, setQ] = useState('');
  useEffect(() => {
    const timer = setTimeout(() => setQ(asked), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [asked]);
  const query = useQuery({
    queryKey: ['search', q],
    queryFn: () => call('GET /v1/admin/search', { query: { q } }),
    enabled: q.length >= SHORTEST,
    placeholderData: keepPreviousData,
    retry: false,
  });
  const called = ({ kind, label, detail }: Answer<'GET /v1/admin/search'>['hits'][number]): string =>
    visibleText([words.value(kind), label, ...(detail === null || detail === label ? [] : [detail])].join(' · '));
  const hits = asked.length < SHORTEST ? [] : (query.data?.hits ?? []);
  return { hits: hits.map((hit) => ({ ...hit, called: called(hit) })), isFetching: query.isFetching || q !== asked };
}
