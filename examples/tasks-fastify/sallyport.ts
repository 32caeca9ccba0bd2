// In your project: `npm install @sallyport/verifier`, and import from '@sallyport/verifier' and '@sallyport/verifier/fastify'.
export { authOf, protect } from '../../sdks/typescript/src/fastify.ts';
export { createVerifier, type Verifier, type VerifierOptions } from '../../sdks/typescript/src/index.ts';
