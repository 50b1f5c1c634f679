-- Asks for one can after the other, in no order: wrk ... URL -- CANS
local cans
function init(args)
  cans = tonumber(args[1])
  math.randomseed(1)
end
function request()
  return wrk.format("GET", "/reports/" .. math.random(cans))
end
