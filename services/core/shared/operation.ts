import type { CommandArgument, CommandOptions } from '#services/platform/define/command-option.ts';
import type { Endpoint, EndpointInput } from '#services/platform/define/endpoint.ts';
import type { Caller } from '../ports.ts';

type Members<T> = [T] extends [undefined] ? unknown : NonNullable<T>;

/** Body, query and path parameters of a request in one, by their names on the wire. */
type OperationInput<E> = Members<EndpointInput<E>['body']> &
  Members<EndpointInput<E>['query']> &
  Members<EndpointInput<E>['params']>;

/** What a rule may know of the request besides its input; a command has none. */
type Asked = { readonly headers: { readonly accept?: string | undefined; readonly 'if-match'?: string | undefined } };

type Rule<P, I, A> = (ports: P, input: I, caller: Caller, asked: Asked) => A | Promise<A>;

/** How an operation is a command; the rest (options, reason, pages, prompts, exit codes) follows from its contract. */
export type OperationCommand<P, I, A, B> = {
  /** Groups, name and arguments: `clients update <client_id>`. An argument is a member of the input. */
  readonly verb: string;
  /** The summary of the contract by default. */
  readonly help?: string;
  /** Arguments that have a help, are read, or set a member of another name. */
  readonly arguments?: Readonly<Record<string, CommandArgument>>;
  /** The verb beside this one that shows the ids that it takes; `list` by default. */
  readonly listedBy?: string;
  /** Whether the arguments, then exactly the parameters of the path, must have the form that the contract says. */
  readonly checksArguments?: boolean;
  /** Options, by the members of the input that they set. */
  readonly options?: CommandOptions;
  /** Loads the key ring first: its rule needs the keys. */
  readonly loadsKeys?: true;
  /** Reads what the command is about, before it asks. */
  about?(ports: P, input: I): Promise<B>;
  /** What it asks for confirmation, as in "would …; nothing was done". */
  asks?(input: I, about: B): string;
  line?(item: never): string;
  lines?(answer: A): readonly string[];
};

/** An operation: a contract, its rule, and how it is a command. Every face folds over lists of these. */
export type Operation<P = never, C extends boolean = boolean> = {
  readonly endpoint: Endpoint;
  /** Takes an input that the contract has validated. */
  readonly rule: Rule<P, object, unknown>;
  readonly command: C extends true ? OperationCommand<P, never, never, unknown> : undefined;
};

/**
 * Declares an operation.
 * @example operation(killAgentEndpoint, killAgent, { verb: 'agents kill <agent_id>', help: 'kill an agent for good', … })
 */
export function operation<E extends Endpoint, P, A>(
  endpoint: E,
  rule: Rule<P, OperationInput<E>, A>,
): Operation<P, false>;
export function operation<E extends Endpoint, P, A, Q = unknown, B = undefined>(
  endpoint: E,
  rule: Rule<P, OperationInput<E>, A>,
  command: OperationCommand<Q, OperationInput<E>, Awaited<A>, B>,
): Operation<P & Q, true>;
export function operation<E extends Endpoint>(
  endpoint: E,
  rule: Rule<never, OperationInput<E>, unknown>,
  command?: OperationCommand<never, never, never, unknown>,
): Operation {
  return {
    endpoint,
    rule: (ports, input, caller, asked) => rule(ports, input as OperationInput<E>, caller, asked),
    command,
  };
}

type PortsOfOne<O> = O extends Operation<infer P, boolean> ? (ports: P) => void : never;

/** What those of these operations need that are commands. */
export type PortsOfCommands<O extends readonly unknown[]> =
  PortsOfOne<Extract<O[number], { command: object }>> extends (ports: infer P) => void ? P : never;
