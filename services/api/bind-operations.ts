import type { Sql } from '../core/ports.ts';
import type { Operation } from '../core/shared/operation.ts';
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
  for (const { endpoint, rule } of operations) {
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
