/*
 * Objects of the prelude that functions can get hold of and that several runs would share: classes
 * behind instances, prototypes of generators, lone functions. What is reachable from a global or a
 * module is found by the freeze walk itself; everything else is named with share().
 */
export const sharedObjects: object[] = [];

export function share<T extends object>(object: T): T {
	sharedObjects.push(object);
	return object;
}
