import { z } from 'zod';

/**
 * Names of shapes: each is a component of the OpenAPI document and a type of `@sallyport/client`. A shape that a request
 * and a response write differently (a default, a transformation) has none.
 */
export const componentNames = z.registry<{ id: string }>();

/** An object with such a name: `component('Role', { name: z.string() })`. */
export const component = <Shape extends z.core.$ZodLooseShape>(
  id: string,
  shape: Shape,
): z.ZodObject<z.core.util.Writeable<Shape>, z.core.$strip> => z.object(shape).register(componentNames, { id });
