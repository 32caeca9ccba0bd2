import type { FastifyRequest } from 'fastify';
import { type Answer, answer } from '#services/core/shared/answer.ts';
import { type FormPage, formPage, formPageHeaders, type Look } from '#services/pages/form-page.ts';
import { languageFor } from '#services/pages/texts/texts.ts';

/** The body of an answer that is a page: it becomes text when it is sent, in the brand and language of the request. */
export class PageView {
  readonly page: FormPage;
  readonly formTargets: readonly string[];
  constructor(page: FormPage, formTargets: readonly string[]) {
    this.page = page;
    this.formTargets = formTargets;
  }
}

/** A read that was answered 503 comes back by itself; a form that was sent is not sent again without its user. */
const lookOf = ({ server, headers, method }: FastifyRequest, status: number): Look => ({
  brand: server.brand,
  language: languageFor(headers['accept-language']),
  comesBack: method === 'GET' && status === 503,
});

/** An answer with its page as text; any other answer unchanged. */
export function rendered(shown: Answer, request: FastifyRequest): Answer {
  if (!(shown.body instanceof PageView)) return shown;
  const { page, formTargets } = shown.body;
  const look = lookOf(request, shown.status);
  return answer(shown.status, formPage(page, look), { ...formPageHeaders(page, formTargets, look), ...shown.headers });
}
