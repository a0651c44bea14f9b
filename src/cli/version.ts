// What this client calls itself.

export const clientVersion = "0.1.0";
export const programName = "tsdocker";
