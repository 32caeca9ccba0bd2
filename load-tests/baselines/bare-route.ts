// PROCESS: a bare Fastify route to measure a product's route against. One process, JSON schema on body and answer, the
// same body and answer sizes, and nothing else: no hooks, no metrics, no work. Asked for a plain route, no schema either.
import Fastify from 'fastify';
import { answerCommands } from '../lib/answer-commands.ts';

type Command = { readonly answer: Record<string, unknown>; readonly isChecking?: boolean };

/** The schema of a JSON value with every member named, which is what serialises fastest. */
function schemaOf(value: unknown): object {
  if (Array.isArray(value)) return { type: 'array', items: value.length > 0 ? schemaOf(value[0]) : { type: 'string' } };
  if (typeof value === 'object' && value !== null) {
    const properties = Object.fromEntries(Object.entries(value).map(([name, member]) => [name, schemaOf(member)]));
    return { type: 'object', required: Object.keys(properties), properties };
  }
  if (typeof value === 'number') return { type: Number.isInteger(value) ? 'integer' : 'number' };
  return { type: typeof value };
}

await answerCommands(async ({ answer, isChecking = true }: Command) => {
  const app = Fastify({ logger: false });
  const body = {
    type: 'object',
    additionalProperties: false,
    required: ['token'],
    properties: { token: { type: 'string', minLength: 1, maxLength: 65_536 } },
  };
  const schema = isChecking ? { body, response: { 200: schemaOf(answer) } } : {};
  app.post('/v1/tokens/validate', { schema }, async () => answer);
  return app.listen({ port: 0, host: '127.0.0.1' });
});
