/**
 * Length in bytes of the token with which a replaced session's successor begins (`replace-session.ts`); too long to be
 * guessed.
 */
export const sessionTokenLength = 32;
