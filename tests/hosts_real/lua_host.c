/* The functions of lua_host.lua. */
#include "real_host.h"

#include <lauxlib.h>

int luaopen_lua_host(lua_State *lua);

static int begin(lua_State *lua)
{
    lua_pushstring(lua, real_host_begin(luaL_checkstring(lua, 1)));
    return 1;
}

static int calls(lua_State *lua)
{
    lua_pushstring(lua, real_host_calls());
    return 1;
}

static int end(lua_State *lua)
{
    lua_pushstring(lua, real_host_end());
    return 1;
}

int luaopen_lua_host(lua_State *lua)
{
    static const luaL_Reg functions[] = {{"begin", begin}, {"calls", calls}, {"stop", end}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
