import { like, outputOf, tool } from '#services/core/shared/tool.ts';
import { listSignOffsEndpoint } from './contract.ts';
import { listOwnSignOffs, listSignOffs } from './read-signoff.ts';

export const signOffTools = [
  tool({
    name: 'list_signoffs',
    title: 'Sign-offs',
    description:
      'List the sign-offs of risky acts, newest first: the act, the roles it waits for, the decisions, and its outcome.',
    ...like(listSignOffsEndpoint),
    input: listSignOffsEndpoint.query!,
    resource: 'sallyport://signoffs',
    run: listSignOffs,
  }),
  tool({
    name: 'list_my_signoffs',
    title: 'My sign-offs',
    description:
      'List the sign-offs that the user asked for, newest first: the act, the roles it waits for, the decisions, and its outcome. `next` is the cursor of the next page.',
    need: { own: 'own.signoffs' },
    input: listSignOffsEndpoint.query!.omit({ state: true, role: true }),
    output: outputOf(listSignOffsEndpoint),
    run: listOwnSignOffs,
  }),
] as const;
