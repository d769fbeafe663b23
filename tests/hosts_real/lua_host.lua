-- Lua, which has no threads, with children of its own: lua_host.lua MODULE HELPER
local real = assert(package.loadlib(arg[1], "luaopen_lua_host"))()

local function check(said)
    if said ~= "ok" then
        io.stderr:write(said, "\n")
        os.exit(1)
    end
end

check(real.begin(arg[2]))
local child = assert(io.popen("sleep 0.2; echo done; exit 3"))
check(real.calls())
local said = child:read("a")
local _, _, status = child:close()
check(said == "done\n" and status == 3 and "ok" or "the host's own child: " .. said .. tostring(status))
check(real.stop())
