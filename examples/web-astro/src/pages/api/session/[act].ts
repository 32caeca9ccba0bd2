import type { APIRoute } from 'astro';
import { openSession, type Way } from '../../../lib/tokens.ts';

/** `sign-in`, `sign-up` and `second-factor`. */
export const POST: APIRoute = (context) => openSession(context, context.params.act as Way);
