import type { Sql, Transact } from '../core/ports.ts';
import { answer } from '../core/shared/answer.ts';
import { etagOf, isMatch } from '../core/shared/entity-tags.ts';
import type { Operation } from '../core/shared/operation.ts';
import { changedMeanwhile } from '../platform/errors.ts';
import { bind, bindOnce, type RouteContext } from './bind.ts';

type Input = {
  readonly body?: object | undefined;
  readonly query?: object | undefined;
  readonly params?: object | undefined;
};

const inputOf = ({ body, query, params }: Input): object => ({ ...query, ...body, ...params });

/** Ports of a read of the replica: no other reaches a database. */
const readPorts = <P extends object>(ports: P, sql: Sql): P => ({
  ...ports,
  sql,
  hotSql: sql,
  pollSql: sql,
  transact: () => Promise.reject(new Error('a read of the replica opens no transaction')),
});

type Rule<P> = Operation<P>['rule'];

/** A read whose answer has an ETag. */
const tagged =
  <P>(rule: Rule<P>): Rule<P> =>
  async (...asked) => {
    const shown = await rule(...asked);
    return answer(200, shown, { etag: etagOf(JSON.stringify(shown)) });
  };

/**
 * A write that honours `If-Match` (RFC 9110 §13.1.1): the transaction that it opens first locks what the read shows and
 * compares that, so that nothing comes between the comparison and the write.
 */
const conditional =
  <P extends object>(rule: Rule<P>, read: Rule<P>): Rule<P> =>
  (ports, input, caller, request) => {
    const header = request.headers['if-match'];
    if (header === undefined) return rule(ports, input, caller, request);
    const { transact } = ports as P & { readonly transact: Transact };
    const matched: Transact = (work) =>
      transact(async (tx) => {
        const shown = await read({ ...ports, sql: tx, isLocking: true }, input, caller, request);
        if (!isMatch(header, etagOf(JSON.stringify(shown)))) throw changedMeanwhile();
        return work(tx);
      });
    return rule({ ...ports, transact: matched }, input, caller, request);
  };

/**
 * Binds each operation to its route: the rule gets body, query and parameters in one. Where a retry gets the stored
 * answer, it runs in the transaction of that answer: what it does after a commit follows the commit of both.
 * @example bindOperations(routes, clientOperations, ports)
 */
export function bindOperations<P extends object>(
  routes: RouteContext,
  operations: readonly Operation<P>[],
  ports: P,
): void {
  const conditions = operations.map(({ endpoint }) => endpoint.ifMatch);
  for (const { endpoint, rule: plain } of operations) {
    const read = operations.find((each) => each.endpoint === endpoint.ifMatch);
    if (endpoint.ifMatch && !read) throw new Error(`${endpoint.operation} names a read that is not bound beside it`);
    const tag = conditions.find((each) => each && `${endpoint.path}/`.startsWith(`${each.path}/`));
    if (tag && !read && endpoint.method !== 'GET')
      throw new Error(`${endpoint.operation} changes what ${tag.operation} tags, and names no ifMatch`);
    const rule = read ? conditional(plain, read.rule) : conditions.includes(endpoint) ? tagged(plain) : plain;
    if (endpoint.idempotency === 'answer')
      bindOnce(routes, endpoint, (input, caller, once, request) =>
        rule({ ...ports, ...once }, inputOf(input as Input), caller, request),
      );
    else
      bind(routes, endpoint, (input, caller, request, replica) =>
        rule(replica ? readPorts(ports, replica) : ports, inputOf(input as Input), caller, request),
      );
  }
}
