import { readDocsEndpoint, readErrorDocsEndpoint, readOpenApiEndpoint } from '#services/core/health/docs-contract.ts';
import { answer, JsonText } from '#services/core/shared/answer.ts';
import { DOCS_SCRIPT, DOCS_STYLE, docsPage, errorsDocsPage } from '#services/pages/docs/docs-page.ts';
import { pageHeaders } from '#services/pages/page-headers.ts';
import type { ErrorDefinition } from '#services/platform/define/error.ts';
import * as commonErrors from '#services/platform/errors.ts';
import { openApiOf } from '#services/platform/http/openapi.ts';
import { bind, type RouteContext } from '../bind.ts';

/** Bind last: the pages are built on first use, once, from everything bound before. */
export function docsRoutes(
  routes: RouteContext,
  deps: { readonly version: string; readonly publicUrl: string; readonly sessionCookie: string },
): void {
  const place = { serverUrl: deps.publicUrl, sessionCookie: deps.sessionCookie };
  const headers = pageHeaders({ styles: [DOCS_STYLE], scripts: [] });
  const searchable = pageHeaders({ styles: [DOCS_STYLE], scripts: [DOCS_SCRIPT] });
  const errorDefinitions = (): ErrorDefinition[] => {
    const all = [...Object.values(commonErrors), ...routes.bound.flatMap((endpoint) => endpoint.errors)];
    const byCode = new Map(all.map(({ definition }) => [definition.code, definition]));
    return [...byCode.values()].sort((a, b) => a.code.localeCompare(b.code));
  };
  const openApi = once(() => new JsonText(JSON.stringify(openApiOf(routes.bound, deps.version, place))));
  const docs = once(() => answer(200, docsPage(routes.bound, deps.publicUrl), searchable));
  const errors = once(() => answer(200, errorsDocsPage(errorDefinitions()), headers));
  bind(routes, readOpenApiEndpoint, openApi);
  bind(routes, readDocsEndpoint, docs);
  bind(routes, readErrorDocsEndpoint, errors);
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
