import type { APIRoute } from 'astro';
import { refresh } from '../../lib/tokens.ts';

export const POST: APIRoute = (context) => refresh(context);
