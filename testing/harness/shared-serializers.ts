// For tests only: serializers of responses, compiled once for all copies of a process. A process of the product has one
// copy; here compiling them again would be a fifth of the processor time of tests that start copies.
import Fastify, { type FastifyInstance } from 'fastify';

type Compile = NonNullable<FastifyInstance['serializerCompiler']>;

/** Fastify's own, which it makes when it is ready. */
async function compilerOfFastify(): Promise<Compile> {
  const fastify = Fastify();
  fastify.get('/', { schema: { response: { 200: { type: 'string' } } } }, () => '');
  await fastify.ready();
  const compile = fastify.serializerCompiler;
  await fastify.close();
  if (compile === undefined) throw new Error('Fastify has no compiler of serializers');
  return compile;
}

let compiler: Promise<Compile> | undefined;
const compiled = new WeakMap<object, ReturnType<Compile>>();

/** Resolves to what makes an instance that has not started share its serializers with others. */
export async function sharedSerializers(): Promise<(fastify: FastifyInstance) => void> {
  compiler ??= compilerOfFastify();
  const compile = await compiler;
  return (fastify) => {
    fastify.setSerializerCompiler((route) => {
      const schema = route.schema as object;
      const serialize = compiled.get(schema) ?? compile(route);
      compiled.set(schema, serialize);
      return serialize;
    });
  };
}
