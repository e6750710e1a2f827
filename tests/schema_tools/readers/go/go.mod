module contract

go 1.21
