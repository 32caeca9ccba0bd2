import type { Caller, Sql } from '../core/ports.ts';
import type { Operation, PortsOf } from '../core/shared/operation.ts';
import type { Endpoint } from '../platform/define/endpoint.ts';
import { bind, bindOnce, type RouteContext } from './bind.ts';
import type { Once } from './requests/once.ts';

type Input = {
  readonly body?: object | undefined;
  readonly query?: object | undefined;
  readonly params?: object | undefined;
};
type Bound = (ports: object, input: object, caller: Caller) => unknown;

const inputOf = ({ body, query, params }: Input): object => ({ ...query, ...body, ...params });

/** In the transaction of the stored answer, also copies are notified only after its commit. */
function portsWith(ports: object, once: Once): object {
  const { accessChanged } = ports as { readonly accessChanged?: () => void };
  const notices = accessChanged === undefined ? {} : { accessChanged: () => once.afterCommit(accessChanged) };
  return { ...ports, ...once, ...notices };
}

/** Ports of a read of the replica: no other reaches a database. */
const readPorts = (ports: object, sql: Sql): object => ({
  ...ports,
  sql,
  hotSql: sql,
  pollSql: sql,
  transact: () => Promise.reject(new Error('a read of the replica opens no transaction')),
});

/**
 * Binds each operation to its route: the rule gets body, query and parameters in one.
 * @example bindOperations(routes, clientOperations, ports)
 */
export function bindOperations<const O extends readonly Operation[]>(
  routes: RouteContext,
  operations: O,
  ports: PortsOf<O>,
): void {
  for (const { endpoint, rule } of operations as readonly { readonly endpoint: Endpoint; readonly rule: unknown }[]) {
    const run = rule as Bound;
    if (endpoint.idempotency === 'answer')
      bindOnce(routes, endpoint, (input, caller, once) =>
        run(portsWith(ports as object, once), inputOf(input as Input), caller),
      );
    else
      bind(routes, endpoint, (input, caller, _request, replica) =>
        run(replica ? readPorts(ports as object, replica) : (ports as object), inputOf(input as Input), caller),
      );
  }
}
