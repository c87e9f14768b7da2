/** What a session begins with that follows one which a host has replaced (`replace-session.ts`): in bytes; nobody guesses so many. */
export const sessionTokenLength = 32;
