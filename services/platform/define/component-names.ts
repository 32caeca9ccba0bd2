import { z } from 'zod';

/**
 * Names of shapes: each is a component of the OpenAPI document and a type of `@sallyport/client`. A shape that a request
 * and a response write differently (a default, a transformation) has none.
 * @example const roleShape = z.object({ name: z.string() }).register(componentNames, { id: 'Role' });
 */
export const componentNames = z.registry<{ id: string }>();
