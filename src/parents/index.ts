// What drivers share whose links stand on a link of the host (macvlan, ipvlan): the parents, the options, the endpoints.

export * from "./child-driver.ts";
export * from "./options.ts";
export * from "./parents.ts";
